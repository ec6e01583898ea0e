"""Calls that concurrent callers share, and that nobody joins once they have ended."""

import asyncio
from itertools import count

import pytest

from service.stores.shared_calls import SharedCalls


class Calls:
    """Shared calls of one key, each of which waits for an event of its own."""

    def __init__(self) -> None:
        self.shared: SharedCalls[str, int] = SharedCalls()
        self.ends = [asyncio.Event() for _ in range(3)]
        self.cancelled: list[int] = []
        self._numbers = count()

    async def join(self) -> int:
        """The number of a call."""
        return await self.shared.join("key", self._call)

    async def _call(self) -> int:
        number = next(self._numbers)
        try:
            await self.ends[number].wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # what it holds takes a turn of the loop to be given back
            self.cancelled.append(number)
            raise
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
    assert calls.cancelled == []


async def test_a_call_ends_with_the_last_who_waits_for_it() -> None:
    calls = Calls()
    callers = [asyncio.create_task(calls.join()) for _ in range(3)]
    await _turns()
    for caller in callers:
        assert calls.shared.running("key")
        assert calls.cancelled == []
        caller.cancel()
        await _turns()
    assert calls.cancelled == [0]
    assert not calls.shared.running("key")


@pytest.mark.parametrize("later_by", range(5))
async def test_who_comes_while_the_last_one_goes_gets_a_result(later_by: int) -> None:
    """In the same turn of the loop, or in any turn that the end of the abandoned call takes."""
    calls = Calls()
    for end in calls.ends[1:]:
        end.set()
    gone = asyncio.create_task(calls.join())
    await _turns()
    gone.cancel()
    for _ in range(later_by):
        await asyncio.sleep(0)
    late = asyncio.create_task(calls.join())
    await _turns()
    calls.ends[0].set()
    assert await late in {0, 1}
    assert gone.cancelled()


async def test_who_joins_before_the_last_one_has_gone_keeps_the_call() -> None:
    calls = Calls()
    gone = asyncio.create_task(calls.join())
    await _turns()
    late = asyncio.create_task(calls.join())  # its first turn comes before the cancellation's
    gone.cancel()
    await _turns()
    calls.ends[0].set()
    assert (await late, calls.cancelled) == (0, [])


async def test_closing_waits_for_what_was_abandoned() -> None:
    calls = Calls()
    caller = asyncio.create_task(calls.join())
    await _turns()
    caller.cancel()
    await asyncio.sleep(0)
    assert not calls.shared.running("key")
    assert calls.cancelled == []  # it has still to give back what it holds
    async with asyncio.timeout(20):
        await calls.shared.close()
    assert calls.cancelled == [0]


async def _turns() -> None:
    """Let all that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)
