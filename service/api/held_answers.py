"""Answers that hold one of their client's places until they are sent."""

import weakref
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import TypeVar

from service.access import Client, ClientPlaces

Piece = TypeVar("Piece")


def place_of(places: ClientPlaces, asking: Client) -> ExitStack:
    """One of a client's places, until it is closed.

    Raises:
        TooManyRequestsError: the client holds as many as it may.
    """
    place = ExitStack()
    place.enter_context(places.hold(asking.name))
    return place


def holding(place: ExitStack, pieces: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    """The pieces of an answer; its place is given back at their end."""
    answer = _while(place, pieces)
    weakref.finalize(answer, place.close)  # where the client goes before it begins
    return answer


async def _while(place: ExitStack, pieces: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    with place:
        async for piece in pieces:
            yield piece
