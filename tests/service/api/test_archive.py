"""`/sessions/{id}/archive`: a session moves as one file, and nothing but a session gets in."""

import asyncio
import json
import random
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from safetensors.numpy import load, save
from starlette.types import Message

from model.contract import SupportPrototype, SupportSet
from service.access import key_line, new_key
from service.app import create_app
from service.engine import Engine, FakeEngine, OnnxEngine
from service.engine.fake import FAKE_MANIFEST
from service.settings import Settings
from service.stores import MemoryStore, SessionKey, decode_session
from tests.service.engines import usual_options
from tests.service.http_api import (
    assert_problem,
    new_session,
    post_segment,
    post_support,
    running,
)
from tests.service.pictures import BLUE, RED, picture
from tests.service.session_limits import LIMITS

ARCHIVE = "application/vnd.fss.session+safetensors"
FRESH_ID = "A-z_" * 8


class OtherEngine(FakeEngine):
    """The fake network after another training."""

    def __init__(self) -> None:
        super().__init__()
        self.manifest = FAKE_MANIFEST.model_copy(update={"revision": "2"})


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Without jobs: of several applications all but the first would wait a second for them."""
    return settings.model_copy(update={"jobs_dir": None})


@pytest.fixture
async def other_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of another service of the same model."""
    async with running(create_app(settings, engine=FakeEngine())) as client:
        yield client


@pytest.fixture
async def archive(client: httpx.AsyncClient) -> bytes:
    """A session of two classes."""
    session_id = await new_session(client, [picture(RED), picture(RED, seed=1)], "red")
    await post_support(client, [picture(BLUE)], "blue/\u732b", session_id=session_id, adapt="true")
    return (await client.get(f"/sessions/{session_id}/archive")).content


async def put(
    client: httpx.AsyncClient, archive: bytes, session_id: str = FRESH_ID, media_type: str = ARCHIVE
) -> httpx.Response:
    return await client.put(
        f"/sessions/{session_id}/archive", content=archive, headers={"Content-Type": media_type}
    )


async def test_moved_session_gives_the_same_masks(
    settings: Settings, tiny_bundle_engine: Callable[[], OnnxEngine]
) -> None:
    async with AsyncExitStack() as stack:
        old, new = [
            await stack.enter_async_context(
                running(create_app(settings, engine=tiny_bundle_engine()))
            )
            for _ in range(2)
        ]
        session_id = await new_session(old, [picture(RED), picture(RED, seed=1)], "red")
        await post_support(old, [picture(BLUE)], "blue", session_id=session_id, adapt="true")
        file = await old.get(f"/sessions/{session_id}/archive")
        assert file.headers["content-type"] == ARCHIVE
        response = await put(new, file.content, session_id)
        assert response.status_code == 201, response.text
        before = (await old.get(f"/sessions/{session_id}")).json()
        for session in (response.json(), (await new.get(f"/sessions/{session_id}")).json()):
            assert session["classes"] == before["classes"]
            assert session["created"] == before["created"]
        answers = [
            (await post_segment(client, session_id, [picture(RED, seed=7)], output="png")).json()
            for client in (old, new)
        ]
        assert answers[0]["results"][0]["classes"][0]["area"] > 0
        assert answers[0] == answers[1]
        moved_back = (await new.get(f"/sessions/{session_id}/archive")).content
        assert_same_tensors(moved_back, file.content)


def assert_same_tensors(one: bytes, other: bytes) -> None:
    tensors = load(one), load(other)
    assert tensors[0].keys() == tensors[1].keys()
    for name in tensors[0]:
        assert tensors[0][name].tobytes() == tensors[1][name].tobytes()


async def test_archive_takes_the_place_of_what_was_there(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, archive: bytes
) -> None:
    session_id = await new_session(other_client, [picture()], "old")
    response = await put(other_client, archive, session_id)
    assert response.status_code == 200
    assert [each["class_name"] for each in response.json()["classes"]] == ["red", "blue/\u732b"]
    assert response.json()["session_id"] == session_id
    answer = await post_segment(other_client, session_id, [picture(RED)])
    assert answer.status_code == 200


async def test_a_client_reads_few_archives_at_once(settings: Settings) -> None:
    """One that does not read holds what may be hundreds of megabytes."""
    app = create_app(settings, engine=FakeEngine())
    downloads = app.state.context.access.downloads
    async with running(app) as client:
        session_id = await new_session(client, [picture(RED)], "red")
        with ExitStack() as taken:
            for _ in range(2):
                taken.enter_context(downloads.hold("address:127.0.0.1"))
            refused = await client.get(f"/sessions/{session_id}/archive")
            assert_problem(refused, 429, "too_many_requests")
        file = await client.get(f"/sessions/{session_id}/archive")
    assert len(file.content) == int(file.headers["content-length"])
    with downloads.hold("address:127.0.0.1", 2):  # nothing is held any longer
        pass


class StalledReader:
    """A client that takes nothing of a response that has begun, until it leaves.

    As in a server, what is sent to a client that has left goes nowhere.
    """

    def __init__(self, app: FastAPI, path: str, host: str = "192.0.2.1", key: str = "") -> None:
        connection = {"client": (host, 1), "server": ("service", 80), "scheme": "http"}
        headers = [(b"host", b"s"), (b"x-api-key", key.encode())]
        request = {"method": "GET", "path": path, "query_string": b"", "headers": headers}
        scope = {"type": "http", "http_version": "1.1", **connection, **request}
        self.begun, self._left = asyncio.Event(), asyncio.Event()
        self._answered = asyncio.create_task(app(scope, self._receive, self._send))

    async def leave(self) -> None:
        self._left.set()
        await self._answered

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self.begun.set()
            await self._left.wait()


def store_of_sessions() -> MemoryStore:
    return MemoryStore(LIMITS, max_sessions=9, max_bytes=2**20)


async def keep(store: MemoryStore, owner: str, session_id: str, nbytes: int) -> None:
    """Keep a session whose archive has about so many bytes."""
    vector = np.zeros((1, 1), np.float16)
    shot = SupportPrototype(vector, vector, vector, np.zeros((nbytes, 1), np.uint8))
    await store.create(SessionKey(owner, session_id), "fake@1", "thing", SupportSet((shot,)))


async def test_archives_that_many_clients_read_at_once_are_bounded(settings: Settings) -> None:
    store, small, large = store_of_sessions(), "s" * 32, "l" * 32
    bounds = {"max_body_bytes": 1024, "max_upload_bytes": 200_000}  # half of them for archives
    app = create_app(settings.model_copy(update=bounds), engine=FakeEngine(), store=store)
    await keep(store, "", small, 40_000)
    await keep(store, "", large, 150_000)
    async with running(app) as client:
        path = f"/sessions/{small}/archive"
        stalled = [StalledReader(app, path, host) for host in ("192.0.2.1", "192.0.2.2")]
        await asyncio.gather(*(each.begun.wait() for each in stalled))
        refused = await client.get(path)
        assert_problem(refused, 503, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.get(f"/sessions/{small}")).status_code == 200
        await stalled.pop().leave()
        assert (await client.get(path)).status_code == 200
        assert_problem(await client.get(f"/sessions/{large}/archive"), 503, "queue_full")
        await stalled.pop().leave()
        alone = await client.get(f"/sessions/{large}/archive")  # though larger than the bound
        assert len(alone.content) > 150_000
    assert app.state.context.archive_bytes.inside == 0


@pytest.mark.parametrize("nbytes", [30_000, 150_000])
async def test_one_client_that_reads_slowly_leaves_archives_to_others(
    settings: Settings, tmp_path: Path, nbytes: int
) -> None:
    """However large what it reads is, it has half of the bytes for archives at most."""
    store, (slow, quick) = store_of_sessions(), (new_key(), new_key())
    keys = tmp_path / "keys"
    keys.write_text("\n".join([key_line("slow", slow), key_line("quick", quick)]))
    bounds = {"max_body_bytes": 1024, "max_upload_bytes": 200_000, "api_keys_file": keys}
    app = create_app(settings.model_copy(update=bounds), engine=FakeEngine(), store=store)
    access, sessions = app.state.context.access, {slow: "s" * 32, quick: "q" * 32}
    for key, size in ((slow, nbytes), (quick, 40_000)):
        await keep(store, access.identify(key, None).owner, sessions[key], size)
    async with running(app) as client:

        async def archive_of(key: str) -> httpx.Response:
            path = f"/sessions/{sessions[key]}/archive"
            return await client.get(path, headers={"X-API-Key": key})

        stalled = StalledReader(app, f"/sessions/{sessions[slow]}/archive", key=slow)
        await stalled.begun.wait()
        assert_problem(await archive_of(slow), 429, "too_many_requests")
        assert (await archive_of(quick)).status_code == 200
        await stalled.leave()
        assert (await archive_of(slow)).status_code == 200


async def test_unknown_session_has_no_archive(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get(f"/sessions/{FRESH_ID}/archive"), 404, "session_not_found")


@pytest.mark.parametrize("session_id", ["mine", "a" * 33, "a" * 31 + "."])
async def test_only_ids_as_the_service_makes_them(
    client: httpx.AsyncClient, archive: bytes, session_id: str
) -> None:
    problem = assert_problem(await put(client, archive, session_id), 422, "invalid_request")
    assert "session_id" in problem["errors"][0]["location"]


async def test_archive_of_another_model_is_refused(settings: Settings, archive: bytes) -> None:
    async with running(create_app(settings, engine=OtherEngine())) as client:
        problem = assert_problem(await put(client, archive), 409, "model_mismatch")
        assert "fake@1" in problem["detail"]
        assert "fake@2" in problem["detail"]
        assert_problem(await client.get(f"/sessions/{FRESH_ID}"), 404, "session_not_found")


def rewritten(archive: bytes, change: Callable[[dict[str, np.ndarray]], None]) -> bytes:
    """The archive with other tensors."""
    length = struct.unpack("<Q", archive[:8])[0]
    metadata = json.loads(archive[8 : 8 + length])["__metadata__"]
    tensors = load(archive)
    change(tensors)
    return save(tensors, metadata)


def with_nan(tensors: dict[str, np.ndarray]) -> None:
    tensors["0.gate"] = np.full_like(tensors["0.gate"], np.nan)


def with_doubles(tensors: dict[str, np.ndarray]) -> None:
    tensors["1.tokens"] = tensors["1.tokens"].astype(np.float64)


def with_wide_shots(tensors: dict[str, np.ndarray]) -> None:
    for name in ("affinity", "guided", "gate"):
        tensors[f"0.{name}"] = np.repeat(tensors[f"0.{name}"], 2, axis=1)


def with_more(tensors: dict[str, np.ndarray]) -> None:
    tensors["2.gate"] = tensors["0.gate"]


def with_less(tensors: dict[str, np.ndarray]) -> None:
    del tensors["0.tokens"]


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda archive: archive[:-1],
    "longer": lambda archive: archive + b"\0",
    "huge header": lambda archive: struct.pack("<Q", 2**62) + archive[8:],
    "long header": lambda archive: struct.pack("<Q", len(archive)) + archive[8:],
    "other version": lambda archive: archive.replace(b'"version":"1"', b'"version":"7"'),
    "path as a name": lambda archive: archive.replace(b"red", b"../"),
    "not finite": lambda archive: rewritten(archive, with_nan),
    "doubles": lambda archive: rewritten(archive, with_doubles),
    "wide shots": lambda archive: rewritten(archive, with_wide_shots),
    "extra tensor": lambda archive: rewritten(archive, with_more),
    "missing tensor": lambda archive: rewritten(archive, with_less),
}


async def test_shots_are_checked_where_their_model_is_loaded_meanwhile(
    settings: Settings, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = OtherEngine()
    app = create_app(settings, engine=FakeEngine())
    models = app.state.context.resources.models

    def decode_slowly(*arguments: Any) -> Any:
        try:
            return decode_session(*arguments)
        finally:
            models.switch([*models.engines, later], "fake")

    monkeypatch.setattr("service.sessions.archive.decode_session", decode_slowly)
    wide = rewritten(archive, with_wide_shots).replace(b"fake@1", b"fake@2")
    async with running(app) as client:
        assert_problem(await put(client, wide), 422, "invalid_archive")
        models.switch([each for each in models.engines if each is not later], "fake")
        assert (await put(client, archive.replace(b"fake@1", b"fake@2"))).status_code == 201


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_archive_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, archive: bytes, name: str
) -> None:
    session_id = await new_session(client, [picture()])
    for target in (session_id, FRESH_ID):
        response = await put(client, HOSTILE[name](archive), target)
        assert_problem(response, 422, "invalid_archive")
    session = (await client.get(f"/sessions/{session_id}")).json()
    assert [each["class_name"] for each in session["classes"]] == ["thing"]
    assert_problem(await client.get(f"/sessions/{FRESH_ID}"), 404, "session_not_found")


async def test_flipped_bits_never_break_the_service(
    client: httpx.AsyncClient, archive: bytes
) -> None:
    chooser = random.Random(0)
    for _ in range(100):
        damaged = bytearray(archive)
        damaged[chooser.randrange(len(archive))] ^= 1 << chooser.randrange(8)
        response = await put(client, bytes(damaged))
        assert response.status_code in {200, 201, 409, 422}
        if response.is_success:
            answer = await post_segment(client, FRESH_ID, [picture()])
            assert answer.status_code == 200


@pytest.mark.parametrize("media_type", ["application/octet-stream", "multipart/form-data", ""])
async def test_other_media_types(
    client: httpx.AsyncClient, archive: bytes, media_type: str
) -> None:
    response = await put(client, archive, media_type=media_type)
    assert ARCHIVE in assert_problem(response, 415, "unsupported_media_type")["detail"]


async def test_limits_hold_for_archives(settings: Settings, archive: bytes) -> None:
    small = {"max_body_bytes": 1024}
    for bounds, status, code in (
        (small | {"max_upload_bytes": 2 * len(archive) - 2}, 413, "body_too_large"),
        ({"max_classes": 1}, 422, "limit_exceeded"),
        ({"max_shots": 1}, 422, "limit_exceeded"),
    ):
        bounded = settings.model_copy(update=bounds)
        async with running(create_app(bounded, engine=FakeEngine())) as client:
            assert_problem(await put(client, archive), status, code)
    bounds = small | {"max_upload_bytes": 2 * len(archive)}  # a session of many requests
    async with running(
        create_app(settings.model_copy(update=bounds), engine=FakeEngine())
    ) as client:
        assert (await put(client, archive)).status_code == 201


async def test_body_without_a_length_is_cut_off_at_the_limit(
    settings: Settings, archive: bytes
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024
            yield bytes(1024)

    bounds = {"max_body_bytes": 64 * 1024, "max_upload_bytes": 128 * 1024}
    bounded = settings.model_copy(update=bounds)
    async with running(create_app(bounded, engine=FakeEngine())) as client:
        response = await client.put(
            f"/sessions/{FRESH_ID}/archive", content=endless(), headers={"Content-Type": ARCHIVE}
        )
        assert_problem(response, 413, "body_too_large")
    assert sent <= 65 * 1024


async def test_archive_without_classes(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    session_id = await new_session(client, [picture()])
    await client.delete(f"/sessions/{session_id}/classes/thing")
    file = await client.get(f"/sessions/{session_id}/archive")
    assert (await put(other_client, file.content)).json()["classes"] == []


@pytest.fixture
def tiny_bundle_engine(settings: Settings) -> Callable[[], Engine]:
    """Makes engines over the tiny bundle."""
    return lambda: OnnxEngine(settings.bundle, usual_options())
