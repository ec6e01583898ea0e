"""The service's own client behind the balancer: what it cannot hide from who uses it has failed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.client import AsyncClient, Retries
from service.client.errors import ClientError
from tests.load.judgement import MIN_IOU
from tests.load.wire import HOST
from tests.service.pictures import Picture, iou, picture

_CLASS = "box"
# As patient as the raw clients; the default gives up after a few seconds.
_RETRIES = Retries(attempts=40, longest_wait_s=4.0)


@dataclass
class OwnClient:
    """Registers in new sessions, adds to them, and asks them, one call after the other.

    calls: that were answered.
    failures: what was raised, and answers that were not as the first of their kind.
    sessions: that were made and stay.
    """

    port: int
    calls: int = 0
    failures: list[str] = field(default_factory=list)
    sessions: int = 0

    async def until(self, stop: asyncio.Event) -> None:
        """One session after the other until told to stop."""
        shots = [picture(seed=seed) for seed in range(2)]
        expected: NDArray[np.bool_] | None = None
        async with AsyncClient(f"http://{HOST}:{self.port}", retries=_RETRIES) as client:
            while not stop.is_set():
                try:
                    mask = await self._live(client, shots)
                except ClientError as exc:
                    self.failures.append(f"{type(exc).__name__}: {exc}")
                    continue
                expected = mask if expected is None else expected
                if iou(mask, expected) < MIN_IOU:
                    self.failures.append("a mask unlike the first")

    async def _live(self, client: AsyncClient, shots: list[Picture]) -> NDArray[np.bool_]:
        """A session of two shots, one after the other, and what it finds."""
        session = client.session()
        for number, shot in enumerate(shots, start=1):
            told = await session.register(_CLASS, shot.image, shot.mask)
            self.sessions += number == 1
            self.calls += 1
            if told.shots != number:
                self.failures.append(f"{told.shots} shots in place of {number}")
        found = await session.segment(shots[0].image)
        self.calls += 1
        return found[_CLASS].mask


@asynccontextmanager
async def asking(own: OwnClient) -> AsyncIterator[None]:
    """The client at work for as long as the block is."""
    stop = asyncio.Event()
    working = asyncio.create_task(own.until(stop))
    try:
        yield
    finally:
        stop.set()
        await working
