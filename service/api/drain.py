"""Graceful shutdown: admitted requests are finished, new ones are refused."""

import asyncio

from service.errors import NotReadyError


class Drain:
    """Begins once and is never undone; used from the event loop's thread only."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether the service is about to stop."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Stop being ready; requests whose bodies are still arriving are refused."""
        self._begun.set()

    async def wait(self) -> None:
        """Return once it has begun."""
        await self._begun.wait()

    def refusal(self) -> NotReadyError:
        """The error that new requests are refused with."""
        return NotReadyError("the service is stopping; another replica may answer")
