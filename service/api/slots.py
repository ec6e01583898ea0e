"""Responses that hold one of their client's slots until they are sent."""

import weakref
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import TypeVar

from service.access import Client
from service.capacity import ClientCapacity

Chunk = TypeVar("Chunk")


def acquire_slot(capacity: ClientCapacity, client: Client) -> ExitStack:
    """One of a client's slots, which is held until the stack is closed.

    Raises:
        TooManyRequestsError: the client holds as many as it may.
    """
    slot = ExitStack()
    slot.enter_context(capacity.hold(client.name))
    return slot


def release_after(slot: ExitStack, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """The chunks of a response; the slot is released after the last, or when sending fails."""
    response = _release_after(slot, chunks)
    # Closes the slot also where the client disconnects before the first chunk is asked for.
    weakref.finalize(response, slot.close)
    return response


async def _release_after(slot: ExitStack, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    with slot:
        async for chunk in chunks:
            yield chunk
