"""Blocks that end at a deadline or on an event, and errors of their own that must not look so."""

import asyncio

import pytest

from service.api.interruption import cancel_when, within_deadline
from service.errors import DeadlineExceededError


async def test_a_block_is_cancelled_at_its_deadline() -> None:
    with pytest.raises(DeadlineExceededError, match=r"^it took longer than 0\.01 s$"):
        async with within_deadline(0.01, "it took longer than {:g} s"):
            await asyncio.Event().wait()


async def test_a_timeout_within_the_block_is_not_the_deadline() -> None:
    with pytest.raises(TimeoutError, match="of a socket"):
        async with within_deadline(60, "it took longer than {:g} s"):
            raise TimeoutError("of a socket")


async def test_a_timeout_within_the_block_is_not_the_event() -> None:
    with pytest.raises(TimeoutError, match="of a socket"):
        async with cancel_when(asyncio.Event().wait, RuntimeError):
            raise TimeoutError("of a socket")


async def test_a_block_is_cancelled_by_an_event() -> None:
    event = asyncio.Event()
    event.set()
    with pytest.raises(RuntimeError):
        async with cancel_when(event.wait, RuntimeError):
            await asyncio.Event().wait()
