"""Codec threads: what a request leaves to others, and what becomes of work nobody waits for."""

import asyncio
import threading

from service.sessions import CodecPool


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
