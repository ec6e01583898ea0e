"""Several bundles at once: a session is bound to the one that made it."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from service.app import create_app
from service.engine.fair_lock import FairLock
from service.settings import Settings
from tests.service.http_api import assert_problem, new_session, post_segment, post_support, running
from tests.service.pictures import iou, picture
from tests.service.tiny_bundle import write_tiny_bundle

ARCHIVE = "application/vnd.fss.session+safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny@9`, `tiny@10`, and `other@1`, which marks what the class is not."""
    folder = tmp_path_factory.mktemp("bundles")
    write_tiny_bundle(folder / "a", revision="9")
    write_tiny_bundle(folder / "b", revision="10")
    write_tiny_bundle(folder / "c", name="other", revision="1", inverted=True)
    return folder


@pytest.fixture
async def client(settings: Settings, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    several = settings.model_copy(update={"bundle": folder / "a", "bundles": folder})
    async with running(create_app(several)) as client:
        yield client


async def model_of(client: httpx.AsyncClient, session_id: str) -> str:
    return str((await client.get(f"/sessions/{session_id}")).json()["model"])


async def test_all_are_listed_and_one_is_the_default(client: httpx.AsyncClient) -> None:
    models = (await client.get("/models")).json()["models"]
    assert [(each["model"], each["default"]) for each in models] == [
        ("tiny@10", True),
        ("other@1", False),
        ("tiny@9", False),
    ]


@pytest.mark.parametrize(
    ("asked", "bound"),
    [
        ({}, "tiny@10"),
        ({"model": "tiny"}, "tiny@10"),
        ({"model": "tiny@9"}, "tiny@9"),
        ({"model": "other"}, "other@1"),
    ],
)
async def test_a_new_session_is_bound_to_what_it_asks_for(
    client: httpx.AsyncClient, asked: dict[str, str], bound: str
) -> None:
    response = await post_support(client, [picture()], **asked)
    assert response.json()["model"] == bound
    found = await post_segment(client, response.json()["session_id"], [picture(seed=1)])
    assert found.json()["model"] == bound


@pytest.mark.parametrize("unknown", ["tiny@11", "no-such"])
async def test_an_unknown_model_is_answered_with_those_there_are(
    client: httpx.AsyncClient, unknown: str
) -> None:
    response = await post_support(client, [picture()], model=unknown)
    problem = assert_problem(response, 404, "model_not_found")
    assert problem["location"] == "model"
    assert "tiny@10, other@1, tiny@9" in problem["detail"]


async def test_a_name_that_no_model_can_have_is_refused(client: httpx.AsyncClient) -> None:
    response = await post_support(client, [picture()], model="../etc")
    assert_problem(response, 422, "invalid_request")


async def test_a_session_keeps_its_model(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture()], model="tiny@9")
    for agreeing in ({}, {"model": "tiny"}, {"model": "tiny@9"}):
        more = await post_support(client, [picture(seed=2)], session_id=session_id, **agreeing)
        assert (more.status_code, more.json()["model"]) == (201, "tiny@9")
    for contradicting in ("tiny@10", "other", "no-such"):
        response = await post_support(
            client, [picture()], session_id=session_id, model=contradicting
        )
        assert_problem(response, 409, "model_mismatch")
    assert await model_of(client, session_id) == "tiny@9"


async def test_an_archive_is_bound_to_its_model(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture()], model="other")
    file = await client.get(f"/sessions/{session_id}/archive")
    copy = "x" * 32
    response = await client.put(
        f"/sessions/{copy}/archive", content=file.content, headers={"Content-Type": ARCHIVE}
    )
    assert (response.status_code, response.json()["model"]) == (201, "other@1")
    scene = picture(seed=4)
    answers = [await post_segment(client, each, [scene]) for each in (session_id, copy)]
    assert answers[0].json()["results"] == answers[1].json()["results"]


async def test_a_session_of_a_model_that_is_not_served_is_told_what_to_do(
    client: httpx.AsyncClient, settings: Settings, folder: Path
) -> None:
    session_id = await new_session(client, [picture()], model="other")
    file = await client.get(f"/sessions/{session_id}/archive")
    alone = settings.model_copy(update={"bundle": folder / "a"})
    async with running(create_app(alone)) as without:
        response = await without.put(
            f"/sessions/{session_id}/archive",
            content=file.content,
            headers={"Content-Type": ARCHIVE},
        )
    detail = assert_problem(response, 409, "model_mismatch")["detail"]
    assert "made by other@1, which is not served here; register its classes again" in detail
    assert "there is tiny@9" in detail


async def test_both_answer_right_under_load_and_neither_starves(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device_lock = FairLock()
    monkeypatch.setattr("service.engine.engine_resources.FairLock", lambda: device_lock)
    several = settings.model_copy(update={"bundle": folder / "a", "bundles": folder})
    order: list[str] = []
    async with running(create_app(several)) as client:
        sessions = {
            model: await new_session(client, [picture()], model=model, adapt="false")
            for model in ("tiny", "other")
        }

        async def ask(model: str, seed: int) -> None:
            scene = picture(box=(10 + seed, 20, 50, 60), seed=seed)
            response = await post_segment(client, sessions[model], [scene], accept="image/png")
            assert response.status_code == 200, response.text
            order.append(model)
            marked = np.asarray(Image.open(BytesIO(response.content))) > 0
            assert iou(marked, scene.mask if model == "tiny" else ~scene.mask) > 0.8

        with device_lock.hold():  # the device is busy until all of them wait
            asked = [asyncio.create_task(ask("tiny", seed)) for seed in range(30)]
            asked += [asyncio.create_task(ask("other", seed)) for seed in range(30, 42)]
            async with asyncio.timeout(30):
                while await _queued(client) < len(asked):
                    pass
        await asyncio.gather(*asked)
    assert order.index("other") < 15  # about a batch; 29 if a model kept the device while it can
    assert "tiny" in order[order.index("other") :]


async def _queued(client: httpx.AsyncClient) -> int:
    """Work items that wait for the device."""
    lines = (await client.get("/metrics")).text.splitlines()
    return sum(int(float(x.split()[-1])) for x in lines if x.startswith("fss_engine_queue_depth{"))
