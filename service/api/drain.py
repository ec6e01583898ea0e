"""The end of the service: what was accepted is finished, nothing else is begun."""

import asyncio

from service.errors import NotReadyError


class Drain:
    """Begins once and never ends; used from the event loop's thread only."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    @property
    def begun(self) -> bool:
        """The process is about to end."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Cease to be ready; bodies that still arrive are refused."""
        self._begun.set()

    async def wait(self) -> None:
        """Return when it begins."""
        await self._begun.wait()

    def refusal(self) -> NotReadyError:
        """The error that new work is answered with."""
        return NotReadyError("the service is stopping; another replica may answer")
