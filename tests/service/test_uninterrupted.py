"""What cannot be stopped is waited for, however often its caller is cancelled."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from service.uninterrupted import result_of


@pytest.mark.parametrize("fails", [False, True])
async def test_no_cancellation_escapes_before_the_thread_is_done(fails: bool) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()
    logged = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))

    def work() -> None:
        begun.set()
        assert go_on.wait(30)
        done.set()
        if fails:
            raise ValueError("of the thread")

    waiting = asyncio.create_task(result_of(asyncio.create_task(asyncio.to_thread(work))))
    try:
        assert await asyncio.to_thread(begun.wait, 30)
        for _ in range(3):
            waiting.cancel()
            await asyncio.wait({waiting}, timeout=0.05)
            assert not waiting.done()
    finally:
        go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done.is_set()
    gc.collect()  # where asyncio tells of an exception that nobody has asked for
    assert logged == []


async def test_the_result_or_the_error_of_the_thread_is_that_of_the_caller() -> None:
    assert await result_of(asyncio.create_task(asyncio.to_thread(int, "7"))) == 7
    with pytest.raises(ValueError, match="seven"):
        await result_of(asyncio.create_task(asyncio.to_thread(int, "seven")))
