"""Products of matrices by the thread that asks for them alone."""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

import numpy as np  # noqa: F401  # whose BLAS must be there when it is looked for
from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
T = TypeVar("T")

_pools = ThreadpoolController()  # of what is loaded by now, NumPy's BLAS among it
_turn = RLock()


def on_one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Keep NumPy's BLAS from sharing the products of a function among threads of its own.

    They wait for each other by spinning. On cores that others use, small products then take a
    hundred times as long; on idle ones they gain nothing.

    The limit is that of the whole process, so such functions take turns: if they overlapped, the
    first to end would take the limit from the others.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        with _turn, _pools.limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited
