"""Transfers take turns by their bytes."""

import asyncio

import pytest

from service.errors import StoreUnavailableError
from service.stores.transfer_turns import TransferTurns


class Transfers:
    """Transfers that go on until they are told to end."""

    def __init__(self, capacity: int) -> None:
        self._turns = TransferTurns(capacity)
        self._ends: dict[str, asyncio.Event] = {}
        self.running: list[str] = []

    def start(self, name: str, nbytes: int, error: Exception | None = None) -> asyncio.Task[None]:
        """One that raises `error`, if any, when it ends."""
        self._ends[name] = asyncio.Event()
        return asyncio.create_task(self._move(name, nbytes, error))

    async def end(self, name: str) -> None:
        """Let one end, and what waits for it go on."""
        self._ends[name].set()
        await settle()

    async def _move(self, name: str, nbytes: int, error: Exception | None) -> None:
        async with self._turns.hold(nbytes):
            self.running.append(name)
            await self._ends[name].wait()
            self.running.remove(name)
            if error is not None:
                raise error


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_as_many_go_at_once_as_fit_and_none_is_passed() -> None:
    transfers = Transfers(10)
    tasks = [transfers.start(name, nbytes) for name, nbytes in (("a", 4), ("b", 6), ("c", 7))]
    await settle()
    tasks.append(transfers.start("d", 1))
    await settle()
    assert transfers.running == ["a", "b"]
    await transfers.end("a")
    assert transfers.running == ["b"]  # there is room for d, whose turn is after that of c
    await transfers.end("b")
    assert transfers.running == ["c", "d"]
    await transfers.end("c")
    await transfers.end("d")
    await asyncio.gather(*tasks)


async def test_one_that_is_larger_than_all_room_goes_alone() -> None:
    transfers = Transfers(10)
    tasks = [transfers.start("a", 1), transfers.start("b", 99), transfers.start("c", 1)]
    for name in "abc":
        await settle()
        assert transfers.running == [name]
        await transfers.end(name)
    await asyncio.gather(*tasks)


async def test_an_outage_is_told_to_those_who_wait_but_not_to_later_ones() -> None:
    transfers = Transfers(10)
    first = transfers.start("a", 10, StoreUnavailableError())
    waiting = [transfers.start(name, 10) for name in "bc"]
    await settle()
    await transfers.end("a")
    assert all(each.done() for each in waiting)
    for outcome in await asyncio.gather(first, *waiting, return_exceptions=True):
        assert isinstance(outcome, StoreUnavailableError)
    later = transfers.start("d", 10)
    await transfers.end("d")
    await later


@pytest.mark.parametrize("error", [ValueError(), asyncio.CancelledError()])
async def test_one_that_fails_otherwise_makes_room(error: Exception) -> None:
    transfers = Transfers(10)
    first, second = transfers.start("a", 10, error), transfers.start("b", 10)
    await settle()
    await transfers.end("a")
    assert transfers.running == ["b"]
    await transfers.end("b")
    await asyncio.gather(first, second, return_exceptions=True)


async def test_one_that_gives_up_waiting_holds_nobody_up() -> None:
    transfers = Transfers(10)
    first, second, third = (transfers.start(name, 6) for name in "abc")
    await settle()
    second.cancel()
    await transfers.end("a")
    assert transfers.running == ["c"]
    await transfers.end("c")
    await asyncio.gather(first, third)
