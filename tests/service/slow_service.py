"""`python -m tests.service.slow_service SECONDS [POLL_S]`: the service over a slow engine.

With POLL_S, a stream of events looks at its job that often.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence

from model.contract import SupportSet
from service.api import jobs
from service.app import create_app
from service.engine import FakeEngine, ImageU8, Predictions
from service.server import create_server
from service.settings import Settings
from service.telemetry import configure_logging


class SlowEngine(FakeEngine):
    """Says that it has begun to segment, and takes some seconds for it."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        logging.getLogger(__name__).info("segmenting")
        await asyncio.sleep(self._seconds)
        return await super().segment(images, classes)


if __name__ == "__main__":
    configure_logging("info")
    engine_s, *poll_s = map(float, sys.argv[1:])
    if poll_s:
        jobs._POLL_S = poll_s[0]
    settings = Settings(engine="fake")
    create_server(create_app(settings, engine=SlowEngine(engine_s)), settings).run()
