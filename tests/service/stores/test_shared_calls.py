"""Calls that concurrent callers share, and that nobody joins once they have ended."""

import asyncio
from itertools import count

from service.stores.shared_calls import SharedCalls


class Calls:
    """Shared calls of one key, each of which waits for an event of its own."""

    def __init__(self) -> None:
        self.shared: SharedCalls[str, int] = SharedCalls()
        self.ends = [asyncio.Event() for _ in range(3)]
        self._numbers = count()

    async def join(self) -> int:
        """The number of a call."""
        return await self.shared.join("key", self._call)

    async def _call(self) -> int:
        number = next(self._numbers)
        await self.ends[number].wait()
        return number


async def test_a_call_that_has_ended_is_not_joined_in_the_same_turn_of_the_loop() -> None:
    calls = Calls()

    async def come_right_after() -> int:
        await calls.ends[0].wait()
        assert not calls.shared.running("key")
        return await calls.join()

    first = asyncio.create_task(calls.join())
    await _turns()
    second = asyncio.create_task(come_right_after())  # woken after the call, by the same event
    await _turns()
    calls.ends[0].set()
    assert await first == 0
    await _turns()
    assert calls.shared.running("key")  # the second call, though the first was put away since
    third = asyncio.create_task(calls.join())
    await _turns()
    calls.ends[1].set()
    assert [await second, await third] == [1, 1]
    assert not calls.shared.running("key")


async def test_a_caller_that_is_cancelled_does_not_end_the_call_of_others() -> None:
    calls = Calls()
    callers = [asyncio.create_task(calls.join()) for _ in range(3)]
    await _turns()
    callers.pop().cancel()
    await _turns()
    calls.ends[0].set()
    assert [await each for each in callers] == [0, 0]


async def _turns() -> None:
    """Let all that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)
