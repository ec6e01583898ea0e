"""Codec threads: what a request leaves to others, and what becomes of work nobody waits for."""

import asyncio
import gc
import threading
import weakref
from functools import partial

import pytest

from service.sessions import CodecPool, codec_client
from tests.service.clocks import ManualClock
from tests.service.codec_threads import occupied, submit


async def test_what_has_not_begun_is_withdrawn_with_its_request() -> None:
    pool = CodecPool(1)
    begun, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    def occupy() -> None:
        begun.set()
        go_on.wait(20)

    holding = asyncio.create_task(pool.run(occupy))
    await asyncio.to_thread(begun.wait, 20)
    gone = asyncio.create_task(pool.gather([lambda: calls.append(1)] * 5))
    await asyncio.sleep(0.05)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    go_on.set()
    await holding
    await pool.run(lambda: None)  # behind what was withdrawn
    assert calls == []
    await pool.close()


async def test_a_thread_works_on_for_a_request_that_is_gone() -> None:
    pool = CodecPool(1)
    begun, go_on = threading.Event(), threading.Event()

    def occupy() -> None:
        begun.set()
        go_on.wait(20)

    gone = asyncio.create_task(pool.run(occupy))
    await asyncio.to_thread(begun.wait, 20)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    next_one = asyncio.create_task(pool.run(lambda: None))
    await asyncio.sleep(0)
    assert pool.waiting == 1
    go_on.set()
    await next_one
    assert pool.waiting == 0
    await pool.close()


async def test_a_request_of_many_calls_leaves_a_thread_to_others() -> None:
    pool, release = CodecPool(threads=2), threading.Event()
    many = asyncio.create_task(pool.gather([lambda: release.wait(20)] * 8))
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(pool.run(lambda: "short"), timeout=10) == "short"
    assert not many.done()
    release.set()
    assert await many == [True] * 8
    await pool.close()


async def test_long_calls_of_one_client_leave_a_thread_to_others() -> None:
    pool, release = CodecPool(threads=2), threading.Event()
    many = [submit(pool, "many", lambda: release.wait(20)) for _ in range(8)]
    few = [submit(pool, "few", partial(str, number)) for number in range(4)]
    assert await asyncio.wait_for(asyncio.gather(*few), timeout=10) == ["0", "1", "2", "3"]
    assert pool.waiting == 6
    release.set()
    assert await asyncio.gather(*many) == [True] * 8
    await pool.close()


async def test_clients_take_turns_however_much_one_of_them_has_queued() -> None:
    pool, made = CodecPool(threads=1), list[str]()
    tasks: list[asyncio.Task[object]] = []
    async with occupied(pool, "spare"):
        async with occupied(pool, "other"):
            for client, count in (("many", 5), ("few", 2), ("one", 1)):
                for number in range(count):
                    tasks.append(submit(pool, client, partial(made.append, f"{client} {number}")))
            await asyncio.sleep(0)
            assert pool.waiting == 8
        await asyncio.gather(*tasks)
    turns = ["many 0", "few 0", "one 0", "many 1", "few 1", "many 2", "many 3", "many 4"]
    assert made == turns
    await pool.close()


async def test_a_client_waits_as_long_as_its_first_call_in_the_queue() -> None:
    clock = ManualClock(0)
    pool = CodecPool(threads=1, clock=clock)
    with codec_client("busy"):
        async with occupied(pool, "spare"), occupied(pool, "other"):
            assert pool.wait_s == 0
            gone = asyncio.create_task(pool.run(lambda: None))
            await asyncio.sleep(0)
            clock.now += 3
            queued = asyncio.create_task(pool.run(lambda: None))
            await asyncio.sleep(0)
            clock.now += 2
            assert pool.wait_s == 5
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            assert (pool.wait_s, pool.waiting) == (2, 1)
            with codec_client("another"):
                assert pool.wait_s == 0
        await queued
        assert pool.wait_s == 0
    await pool.close()


async def test_a_call_that_fails_leaves_nothing_behind() -> None:
    """Frames of a failed call hold files and pixels; the collector may come to them much later."""

    class Pixels:
        pass

    def fail() -> None:
        pixels = Pixels()
        kept.append(weakref.ref(pixels))
        raise ValueError("broken")

    pool, kept = CodecPool(threads=1), list["weakref.ref[Pixels]"]()
    gc.disable()
    try:
        with pytest.raises(ValueError, match="broken"):
            await pool.run(fail)
        await pool.run(lambda: None)
        assert kept[0]() is None
    finally:
        gc.enable()
    await pool.close()


async def test_closing_withdraws_what_is_queued() -> None:
    pool, made = CodecPool(threads=1), list[str]()
    async with occupied(pool, "spare"), occupied(pool, "other"):
        queued = submit(pool, "late", lambda: made.append("late"))
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close())
        with pytest.raises(asyncio.CancelledError):
            await queued
        assert not closing.done()  # a call is being made
    await closing
    assert made == []
