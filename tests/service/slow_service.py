"""`python -m tests.service.slow_service SECONDS`: the service over a slow engine."""

import asyncio
import logging
import sys
from collections.abc import Sequence

from model.contract import SupportSet
from service.app import create_app
from service.engine import Answers, FakeEngine, ImageU8
from service.server import create_server
from service.settings import Settings
from service.telemetry import configure_logging


class SlowEngine(FakeEngine):
    """Says that it has begun to segment, and takes some seconds for it."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def segment(self, images: Sequence[ImageU8], classes: Sequence[SupportSet]) -> Answers:
        logging.getLogger(__name__).info("segmenting")
        await asyncio.sleep(self._seconds)
        return await super().segment(images, classes)


if __name__ == "__main__":
    configure_logging("info")
    settings = Settings(engine="fake")
    create_server(create_app(settings, engine=SlowEngine(float(sys.argv[1]))), settings).run()
