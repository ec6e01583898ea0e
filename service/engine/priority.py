"""Runs inference threads at a lower priority than request threads."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_NICENESS = 5

T = TypeVar("T")


def lower_priority() -> None:
    """Lower the priority of the calling thread, and of those it will start.

    The event loop and the codecs go first then: an inference takes long anyway, while an answer
    that waits for a core behind it keeps its client waiting, as does a refusal under overload.
    On Linux every thread has a priority of its own.
    """
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def run_at_low_priority(call: Callable[[], T]) -> T:
    """The result of a call on a thread of low priority, which the threads it starts inherit."""
    with ThreadPoolExecutor(1, initializer=lower_priority) as executor:
        return executor.submit(call).result()
