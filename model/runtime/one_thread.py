"""Products of matrices by the thread that asks for them alone."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numpy as np  # noqa: F401  # whose BLAS must be there when it is looked for
from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
T = TypeVar("T")

_pools = ThreadpoolController()  # of what is loaded by now, NumPy's BLAS among it


def on_one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Keep NumPy's BLAS from sharing the products of a function among threads of its own.

    They wait for each other by spinning. On cores that others use, small products then take a
    hundred times as long; on idle ones they gain nothing.
    """
    limited = _pools.wrap(limits=1, user_api="blas")(function)
    return cast(Callable[P, T], limited)
