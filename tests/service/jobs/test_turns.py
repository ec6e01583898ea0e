"""Owners take turns, also where an image of one of them has no outcome for now."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx
import pytest

from model.contract import SupportSet
from service.access import key_line, new_key
from service.app import create_app
from service.engine import FakeEngine, ImageU8, Predictions
from service.errors import DeadlineExceededError, InferenceError, QueueFullError, ServiceError
from service.jobs import JobRunner
from service.settings import Settings
from tests.service.http_api import new_session, running
from tests.service.jobs.job_calls import SCENES, ended, uploads


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn is over after one try."""
    monkeypatch.setattr("service.assembly.parts.JobRunner", partial(JobRunner, turn_s=0.0))
    monkeypatch.setattr("service.jobs.back_off._FIRST_S", 0.001)


class RefusingEngine(FakeEngine):
    """Refuses all images, or lets all through, and counts them."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__()
        self.error: ServiceError | None = error
        self.refused, self.refused_often = 0, asyncio.Event()

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        if self.error is None or not self.applies(classes):
            return await super().segment(images, classes)
        self.refused += 1
        if self.refused == 3:
            self.refused_often.set()
        raise self.error

    def applies(self, classes: Sequence[SupportSet]) -> bool:
        """Whether images that are searched for these classes are refused."""
        return True


class HalfFullEngine(RefusingEngine):
    """Has no place for those who look for a class of two shots."""

    def applies(self, classes: Sequence[SupportSet]) -> bool:
        return len(classes[0].shots) == 2


async def test_an_image_without_a_place_holds_up_no_other_owner(tmp_path: Path) -> None:
    keys = {name: new_key() for name in ("stuck", "other")}
    (tmp_path / "keys").write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    settings = Settings(jobs_dir=tmp_path / "jobs", api_keys_file=tmp_path / "keys")
    engine = HalfFullEngine(QueueFullError("too many images wait"))

    async def made(client: httpx.AsyncClient, shots: int, images: int) -> str:
        fields = {"session_id": await new_session(client, SCENES[:shots]), "mode": "whole"}
        response = await client.post("/jobs", data=fields, files=uploads(images))
        return str(response.json()["job_id"])

    async with running(create_app(settings, engine=engine)) as client:
        client.headers["X-API-Key"] = keys["stuck"]
        stuck = await made(client, shots=2, images=2)
        await asyncio.wait_for(engine.refused_often.wait(), 30)
        client.headers["X-API-Key"] = keys["other"]
        assert (await ended(client, await made(client, shots=1, images=3)))["done"] == 3
        client.headers["X-API-Key"] = keys["stuck"]
        waiting = (await client.get(f"/jobs/{stuck}")).json()
        assert (waiting["state"], waiting["done"], waiting["failed"]) == ("running", 0, 0)
        engine.error = None
        assert (await ended(client, stuck))["done"] == 2


@pytest.mark.parametrize(
    ("error", "most"), [(DeadlineExceededError(), 6), (InferenceError(), 4)], ids=["late", "failed"]
)
async def test_tries_of_all_turns_count_and_those_of_each_image_for_themselves(
    tmp_path: Path, error: ServiceError, most: int
) -> None:
    engine = RefusingEngine(error)
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=engine)
    async with running(app) as client:
        fields = {"session_id": await new_session(client, SCENES[:1]), "mode": "whole"}
        response = await client.post("/jobs", data=fields, files=uploads(2))
        job = await ended(client, response.json()["job_id"])
    assert [each["code"] for each in job["errors"]] == [error.code] * 2
    assert engine.refused == 2 * most
