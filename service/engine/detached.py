"""Calls that may never return, on threads that the end of the process does not wait for."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


async def detached(call: Callable[[], T], *, name: str, grace_s: float = 0.0) -> T:
    """The result of a call on a thread of its own.

    Threads of executors are joined when the event loop and the interpreter end, so one that hangs
    in a driver, or waits for a cluster, would keep the process from ending.

    Args:
        call: what to run.
        name: of the thread.
        grace_s: once cancelled, how long the call is still waited for before it is left behind.
    """
    future: Future[T] = Future()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(call))
        except BaseException as exc:  # noqa: BLE001 - raised where the result is awaited
            future.set_exception(exc)

    future.set_running_or_notify_cancel()
    done = asyncio.wrap_future(future)
    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        await asyncio.wait([done])
    except asyncio.CancelledError:
        await asyncio.wait([done], timeout=grace_s)
        if not done.cancel():
            done.exception()  # nobody asks for it any more
        raise
    return done.result()
