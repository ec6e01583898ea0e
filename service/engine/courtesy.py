"""Threads that compute give way to those that answer."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_NICENESS = 5

T = TypeVar("T")


def yield_to_requests() -> None:
    """Let the event loop and the codecs go before the calling thread, and those it will start.

    An inference takes long anyway; an answer that waits for a core behind it keeps a client
    waiting, and under overload a refusal. On Linux every thread has a priority of its own.
    """
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def run_politely(call: Callable[[], T]) -> T:
    """The result of a call on a thread of its own, whose threads yield to requests as it does."""
    with ThreadPoolExecutor(1, initializer=yield_to_requests) as executor:
        return executor.submit(call).result()
