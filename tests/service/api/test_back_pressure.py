"""Rate limits and places of one client, over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from service.access import key_line, new_key
from service.app import create_app
from service.engine import FakeEngine
from service.sessions import ImageReader, codec_client
from service.sessions.decoded import QueryImage
from service.settings import Settings
from service.stores import MemoryStore
from tests.service.api.test_limits import MULTIPART, StuckEngine, stalled
from tests.service.codec_threads import occupied
from tests.service.http_api import (
    InProcess,
    assert_problem,
    listening,
    new_session,
    post_segment,
    post_support,
    running,
)
from tests.service.pictures import picture
from tests.service.processes import unused_port
from tests.service.session_limits import LIMITS

LAB, LAB_TOO, DESK = new_key(), new_key(), new_key()


@pytest.fixture
def keyed_settings(settings: Settings, tmp_path: Path) -> Settings:
    path = tmp_path / "keys"
    owners = [("lab", LAB), ("lab", LAB_TOO), ("desk", DESK)]
    path.write_text("\n".join(key_line(owner, key) for owner, key in owners))
    return settings.model_copy(update={"api_keys_file": path})


def of(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


async def test_owner_is_limited_whatever_key_it_shows(
    keyed_settings: Settings, fake_engine: FakeEngine
) -> None:
    limited = keyed_settings.model_copy(update={"rate_limit": "2/day;50/hour"})
    async with running(create_app(limited, engine=fake_engine)) as client:
        first = await client.get("/models", headers=of(LAB))
        assert first.headers["ratelimit-policy"] == (
            '"50-per-3600s";q=50;w=3600, "2-per-86400s";q=2;w=86400'
        )
        assert '"2-per-86400s";r=1;t=' in first.headers["ratelimit"]
        assert (await client.get("/models", headers=of(LAB_TOO))).status_code == 200
        refused = await client.get("/models", headers=of(LAB))
        assert_problem(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 2 * 24 * 3600
        assert '"2-per-86400s";r=0;t=' in refused.headers["ratelimit"]
        assert (await client.get("/models", headers=of(DESK))).status_code == 200


async def test_strangers_are_counted_apart_and_probes_not_at_all(
    keyed_settings: Settings, fake_engine: FakeEngine
) -> None:
    limited = keyed_settings.model_copy(update={"rate_limit": "1/day"})
    async with running(create_app(limited, engine=fake_engine)) as client:
        for _ in range(3):
            assert (await client.get("/readyz", headers=of(LAB))).status_code == 200
        assert_problem(await client.get("/models"), 401, "unauthorized")
        assert_problem(await client.get("/models", headers=of("guess")), 429, "rate_limited")
        assert (await client.get("/models", headers=of(LAB))).status_code == 200


async def test_without_keys_addresses_are_told_apart(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    app = create_app(settings.model_copy(update={"rate_limit": "1/day"}), engine=fake_engine)
    async with running(app):
        statuses = []
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
            transport = httpx.ASGITransport(app=app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
                statuses.append((await client.get("/models")).status_code)
        assert statuses == [200, 429, 200]


@pytest.mark.parametrize(("trusted", "statuses"), [("127.0.0.1", [200, 200]), ("", [200, 429])])
async def test_address_behind_a_proxy_is_believed_to_trusted_ones_alone(
    settings: Settings, fake_engine: FakeEngine, trusted: str, statuses: list[int]
) -> None:
    limited = settings.model_copy(update={"rate_limit": "1/day", "forwarded_allow_ips": trusted})
    async with listening(limited, fake_engine) as client:
        answers = [
            await client.get("/models", headers={"X-Forwarded-For": address})
            for address in ("192.0.2.1", "192.0.2.2")
        ]
        assert [answer.status_code for answer in answers] == statuses


async def test_limited_request_is_refused_before_its_body(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    async def unreadable() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    limited = settings.model_copy(update={"rate_limit": "1/day"})
    async with running(create_app(limited, engine=fake_engine)) as client:
        await client.get("/models")
        response = await client.post("/segment", content=unreadable(), headers=MULTIPART)
        assert_problem(response, 429, "rate_limited")


async def test_redis_that_is_down_lets_requests_through(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    update = {"rate_limit": "1/day", "store_url": SecretStr(f"redis://127.0.0.1:{unused_port()}/0")}
    limited = settings.model_copy(update=update)
    sessions = MemoryStore(LIMITS, max_sessions=9, max_bytes=10**6)
    async with running(create_app(limited, engine=fake_engine, store=sessions)) as client:
        for _ in range(5):
            response = await client.get("/models")
            assert response.status_code == 200
            assert "ratelimit" not in response.headers


async def test_one_client_cannot_take_every_place(keyed_settings: Settings) -> None:
    engine = StuckEngine()
    bounded = keyed_settings.model_copy(update={"max_requests": 4})  # two for each client
    async with running(create_app(bounded, engine=engine)) as client:
        client.headers.update(of(LAB))
        session_id = await new_session(client, [picture()])
        inside = [asyncio.create_task(post_segment(client, session_id, [picture()]))]
        awaited = asyncio.Event()
        upload = client.post("/segment", content=stalled(awaited), headers=MULTIPART)
        inside.append(asyncio.create_task(upload))
        await engine.entered.wait()
        await awaited.wait()
        refused = await client.get("/models", headers=of(LAB_TOO))
        assert_problem(refused, 429, "too_many_requests")
        assert refused.headers["retry-after"] == "1"
        assert (await client.get("/models", headers=of(DESK))).status_code == 200
        inside.pop().cancel()  # a body that breaks off gives its place back
        engine.release.set()
        assert (await inside.pop()).status_code == 200
        assert (await client.get("/models")).status_code == 200


def client_of(app: FastAPI, key: str) -> httpx.AsyncClient:
    """Another client of an application that runs."""
    return httpx.AsyncClient(
        transport=InProcess(app=app), base_url="http://service", headers=of(key)
    )


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what other tasks bring about."""
    while not holds():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


async def test_images_of_one_client_do_not_keep_out_those_of_another(
    keyed_settings: Settings, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a few bytes may take seconds to decode."""
    files, decoded = {picture(seed=k).image_png: k for k in range(6)}, list[int]()
    read = ImageReader.query

    def query(reader: ImageReader, data: bytes, *args: Any, **kwargs: Any) -> QueryImage:
        decoded.append(files[data])
        return read(reader, data, *args, **kwargs)

    monkeypatch.setattr(ImageReader, "query", query)
    app = create_app(keyed_settings.model_copy(update={"codec_threads": 1}), engine=fake_engine)
    pool, answers = app.state.context.resources.pool, list[asyncio.Task[httpx.Response]]()
    async with running(app) as lab, client_of(app, DESK) as desk:
        lab.headers.update(of(LAB))
        sessions = {each: await new_session(each, [picture()]) for each in (lab, desk)}
        async with occupied(pool, "spare"):
            async with occupied(pool, "other"):
                for seed, client in enumerate([lab] * 5 + [desk]):
                    segmenting = post_segment(client, sessions[client], [picture(seed=seed)])
                    answers.append(asyncio.create_task(segmenting))
                    await until(lambda: pool.waiting == len(answers))
            assert {(await answer).status_code for answer in answers} == {200}
    assert decoded.index(5) == 1


async def test_a_client_that_waits_long_for_codecs_is_refused_what_would_wait_too(
    keyed_settings: Settings, fake_engine: FakeEngine
) -> None:
    impatient = keyed_settings.model_copy(update={"codec_threads": 1, "max_wait_s": 0.05})
    app = create_app(impatient, engine=fake_engine)
    pool = app.state.context.resources.pool
    async with running(app) as lab, client_of(app, DESK) as desk:
        lab.headers.update(of(LAB))
        sessions = {each: await new_session(each, [picture()]) for each in (lab, desk)}
        async with occupied(pool, "spare"), occupied(pool, "other"):
            answers = [asyncio.create_task(post_segment(lab, sessions[lab], [picture()]))]
            with codec_client(app.state.context.access.identify(LAB, None).name):
                await until(lambda: pool.wait_s > 0.05)
            refused = await post_segment(lab, sessions[lab], [picture()])
            assert_problem(refused, 503, "queue_full")
            answers.append(asyncio.create_task(post_segment(desk, sessions[desk], [picture()])))
            await until(lambda: pool.waiting == len(answers))
        assert {(await answer).status_code for answer in answers} == {200}


async def test_nobody_alone_on_a_machine_is_sent_away_by_default(settings: Settings) -> None:
    engine = StuckEngine()
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [picture()])
        inside = [
            asyncio.create_task(post_segment(client, session_id, [picture()])) for _ in range(40)
        ]
        await engine.entered.wait()
        engine.release.set()
        assert {(await task).status_code for task in inside} == {200}


async def test_bound_that_is_set_holds_without_keys(settings: Settings) -> None:
    engine = StuckEngine()
    bounded = settings.model_copy(update={"max_client_requests": 1})
    async with running(create_app(bounded, engine=engine)) as client:
        session_id = await new_session(client, [picture()])
        inside = asyncio.create_task(post_segment(client, session_id, [picture()]))
        await engine.entered.wait()
        refused = await post_segment(client, session_id, [picture()])
        assert_problem(refused, 429, "too_many_requests")
        engine.release.set()
        assert (await inside).status_code == 200


async def test_too_many_shots_are_refused_before_they_are_looked_at(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    broken = picture()._replace(image=picture().image[:10])  # not as large as its mask
    bounded = settings.model_copy(update={"max_shots": 2})
    async with running(create_app(bounded, engine=fake_engine)) as client:
        session_id = await new_session(client, [picture()])
        asked: list[tuple[dict[str, str], int]] = [({}, 3), ({"session_id": session_id}, 2)]
        for fields, shots in asked:
            response = await post_support(client, [broken] * shots, **fields)
            assert_problem(response, 422, "limit_exceeded")
        replaced = await post_support(
            client, [picture()] * 2, session_id=session_id, mode="replace"
        )
        assert replaced.json()["shots"] == 2
