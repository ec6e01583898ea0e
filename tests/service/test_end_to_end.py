"""The whole service over real graphs: supports are encoded once, the event loop stays free."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load

from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter
from service.app import create_app
from service.engine import OnnxEngine
from service.imaging import ReducedImage, decode_reduced
from service.settings import Settings
from tests.service.counted_runs import CountedRuns
from tests.service.engines import usual_options
from tests.service.http_api import new_session, post_segment, post_support, running
from tests.service.pictures import BLUE, RED, picture

TIMEOUT_S = 20


@pytest.fixture
def real_engine(tiny_bundle: Path) -> OnnxEngine:
    """An engine for `real_client` to start and stop."""
    return OnnxEngine(tiny_bundle, usual_options(encode_cache_bytes=0))


@pytest.fixture
async def real_client(
    settings: Settings, real_engine: OnnxEngine
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole service over `real_engine`."""
    async with running(create_app(settings, engine=real_engine)) as client:
        yield client


async def test_supports_are_encoded_when_registered_and_never_again(
    real_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = CountedRuns(monkeypatch)
    shots = [picture(RED, seed=i) for i in range(5)]
    plain = {"report": "false", "adapt": "false"}
    session_id = await new_session(real_client, shots, "red", **plain)
    await post_support(real_client, [picture(BLUE)], "blue", session_id=session_id, **plain)
    assert runs.images == 6 * 3  # a view each time
    for count in (1, 3, 16):
        before = runs.images
        response = await post_segment(
            real_client, session_id, [picture(RED, seed=100 * count + i) for i in range(count)]
        )
        assert response.status_code == 200
        assert runs.images - before == count


async def test_supports_are_seen_as_queries_once_however_often_they_are_judged(
    settings: Settings, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = OnnxEngine(tiny_bundle, usual_options())
    shots = [picture(RED, seed=i) for i in range(3)]
    async with running(create_app(settings, engine=engine)) as client:
        runs = CountedRuns(monkeypatch)
        await new_session(client, shots, "red", report="true", adapt="auto")
    # Each with its mask, once as a query, and in two more views for what it looks like.
    assert runs.images == 3 + 3 + 6


async def test_queries_of_different_sessions_share_a_batch(
    settings: Settings, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Waits for a full batch, so that four requests of one image each can only end together.
    options = usual_options(batch_sizes=(1, 2, 4), batch_wait_s=30, encode_cache_bytes=0)
    engine = OnnxEngine(tiny_bundle, options)
    async with running(create_app(settings, engine=engine)) as client:
        runs = CountedRuns(monkeypatch)
        sessions = await asyncio.gather(
            *(new_session(client, [picture()], report="false", adapt="false") for _ in range(4))
        )
        assert len(set(sessions)) == 4
        # The supports, their mirror images and their portraits, each of all sessions together.
        assert (runs.encoder, runs.images) == (3, 12)
        answers = await asyncio.gather(
            *(post_segment(client, session, [picture()]) for session in sessions)
        )
        assert [answer.status_code for answer in answers] == [200] * 4
        assert (runs.encoder, runs.images) == (4, 16)


async def test_presence_is_judged_by_what_evaluations_judge_it_by(
    real_client: httpx.AsyncClient, tiny_bundle: Path
) -> None:
    shots = [picture(RED, box=(30, 40, 12, 14)), picture(RED, box=(5, 5, 90, 100))]
    session_id = await new_session(real_client, shots, report="false", adapt="false")
    archive = await real_client.get(f"/sessions/{session_id}/archive")
    (served,) = (a for name, a in load(archive.content).items() if name.endswith("0.identities"))
    segmenter = BundleSegmenter(BundleRuntime(tiny_bundle))
    evaluated = [segmenter.add_support(k, s.image, s.mask) for k, s in enumerate(shots)]
    expected = np.stack([each.identity for each in evaluated]).astype(np.float32)
    np.testing.assert_allclose(served.astype(np.float32), expected, atol=2e-3)
    assert not np.allclose(expected[0], expected[1], atol=2e-2)


async def test_order_of_shots_does_not_matter(real_client: httpx.AsyncClient) -> None:
    shots = [picture(RED), picture(RED, seed=1), picture((230, 90, 20), seed=2)]
    masks = []
    for ordered in (shots, shots[::-1], [shots[1], shots[2], shots[0]]):
        session_id = await new_session(real_client, ordered)
        response = await post_segment(real_client, session_id, [picture(RED, seed=9)])
        masks.append(response.json()["results"])
    assert masks[0] == masks[1] == masks[2]


async def test_sessions_do_not_see_each_other(real_client: httpx.AsyncClient) -> None:
    red = await new_session(real_client, [picture(RED)], "red")
    blue = await new_session(real_client, [picture(BLUE)], "blue")
    answers = await asyncio.gather(
        *(post_segment(real_client, session, [picture(RED)]) for session in (red, blue))
    )
    found = [answer.json()["results"][0]["classes"] for answer in answers]
    assert [[entry["class_name"] for entry in entries] for entries in found] == [["red"], ["blue"]]
    assert found[0][0]["area"] == pytest.approx(60 * 80, rel=0.2)


async def test_event_loop_is_free_while_pixels_are_decoded(
    real_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await new_session(real_client, [picture()])
    entered, release = threading.Event(), threading.Event()

    def slow(data: bytes, side: int, **options: Any) -> ReducedImage:
        entered.set()
        assert release.wait(TIMEOUT_S)
        return decode_reduced(data, side, **options)

    monkeypatch.setattr("service.sessions.uploads.decode_reduced", slow)
    segmenting = asyncio.create_task(post_segment(real_client, session_id, [picture()]))
    assert await asyncio.to_thread(entered.wait, TIMEOUT_S)
    assert (await real_client.get("/healthz")).status_code == 200
    assert not segmenting.done()
    release.set()
    assert (await segmenting).status_code == 200
