"""A Label Studio with pictures, and the service beside it."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from service.labelling_tools import mirror
from service.settings import Settings
from tests.service.http_api import running
from tests.service.labelling_tools.fake_studio import Studio, label_studio
from tests.service.labelling_tools.project import PICTURES, backend


@pytest.fixture
def studio() -> Iterator[Studio]:
    with label_studio() as studio:
        for number, each in enumerate(PICTURES):
            studio.images[f"/data/upload/1/{number}.png"] = each.image_png
        yield studio


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_RETRY_PAUSE_S", 0.01)


@pytest.fixture
async def client(settings: Settings, studio: Studio) -> AsyncIterator[httpx.AsyncClient]:
    async with running(backend(settings, studio)) as client:
        yield client
