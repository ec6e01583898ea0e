"""An outage of the device, which the engine tells of as if the images were at fault."""

from pathlib import Path

import pytest

from service.app import create_app
from service.engine import OnnxEngine
from service.settings import Settings
from tests.service.engines import usual_options
from tests.service.http_api import new_session, running
from tests.service.jobs.job_calls import SCENES, ended, uploads
from tests.service.lost_device import lose_device


async def test_no_image_of_a_job_fails_because_the_device_does(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(jobs_dir=tmp_path / "jobs", bundle=tiny_bundle)
    # Without kept encodings: this lost device would still run the head on them.
    engine = OnnxEngine(tiny_bundle, usual_options())
    async with running(create_app(settings, engine=engine)) as client:
        fields = {"session_id": await new_session(client, SCENES[:1])}
        failed = lose_device(monkeypatch)
        response = await client.post("/jobs", data=fields, files=uploads(4))
        job = await ended(client, response.json()["job_id"])
    assert (job["done"], job["failed"]) == (4, 0)
    assert len(failed) == 3  # then the worker has loaded the bundle anew
