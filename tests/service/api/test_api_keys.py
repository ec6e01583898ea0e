"""Who may ask: keys over HTTP, before the body, and sessions that belong to their owner."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.access import key_line, new_key
from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from tests.service.http_api import (
    assert_problem,
    files,
    listening,
    new_session,
    post_segment,
    post_support,
    running,
)
from tests.service.pictures import picture

LAB, LAB_TOO, DESK = new_key(), new_key(), new_key()
OPEN = {"/healthz", "/readyz", "/metrics", "/openapi.json"}
UNKNOWN = "A" * 32


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("\n".join([key_line("lab", LAB), key_line("lab", LAB_TOO)]))
    path.write_text(path.read_text() + "\n" + key_line("desk", DESK))
    return path


@pytest.fixture
def app(settings: Settings, fake_engine: FakeEngine, key_file: Path) -> FastAPI:
    guarded = settings.model_copy(update={"api_keys_file": key_file})
    return create_app(guarded, engine=fake_engine)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with running(app) as client:
        yield client


@pytest.fixture
async def lab(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with keyed(client, LAB) as lab:
        yield lab


@pytest.fixture
async def desk(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with keyed(client, DESK) as desk:
        yield desk


def keyed(client: httpx.AsyncClient, key: str) -> httpx.AsyncClient:
    """The same application, asked with a key."""
    return httpx.AsyncClient(
        transport=client._transport,
        base_url=client.base_url,
        headers={"Authorization": f"Bearer {key}"},
    )


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of everything the service documents, and of the document."""
    paths = app.openapi()["paths"]
    documented = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    return [*documented, ("GET", "/openapi.json")]


def filled(path: str, session_id: str) -> str:
    return path.format(session_id=session_id, name="thing", job_id=session_id)


async def test_every_route_but_the_probes_needs_a_key(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    for method, path in operations(app):
        response = await client.request(method, filled(path, UNKNOWN))
        if path in OPEN:
            assert response.status_code == 200, path
        else:
            assert_problem(response, 401, "unauthorized")
            assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {new_key()}"},
        {"Authorization": f"Basic {LAB}"},
        {"Authorization": b"Basic \xe9"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {LAB}x"},
        {"Authorization": f"Bearer {LAB.upper()}"},
        {"Authorization": LAB},
        {"X-API-Key": ""},
        {"X-API-Key": b"\xff\xfe"},
        {"X-API-Key": "x" * 8000},
        {"Authorization": f"Bearer {new_key()}", "X-API-Key": LAB},  # a bearer token goes first
    ],
)
async def test_what_is_no_key_is_refused_like_none(
    client: httpx.AsyncClient, headers: dict[str, Any]
) -> None:
    response = await client.get("/models", headers=headers)
    assert without_request_id(response) == without_request_id(await client.get("/models"))
    assert_problem(response, 401, "unauthorized")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {LAB}"},
        {"Authorization": f"bearer {LAB_TOO}"},
        {"X-API-Key": DESK},
        {"Authorization": "Basic cHJveHk6cHJveHk=", "X-API-Key": LAB},
    ],
)
async def test_both_ways_to_show_a_key(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.get("/models", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/support", "/segment"])
async def test_body_of_a_stranger_is_not_read(client: httpx.AsyncClient, path: str) -> None:
    async def unreadable() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = await client.post(path, content=unreadable(), headers=headers)
    assert_problem(response, 401, "unauthorized")


async def test_stranger_with_a_large_body_gets_the_answer_over_the_wire(
    settings: Settings, fake_engine: FakeEngine, key_file: Path
) -> None:
    guarded = settings.model_copy(update={"api_keys_file": key_file})
    async with listening(guarded, fake_engine) as client:
        response = await client.post("/segment", files=files("images", [bytes(8_000_000)]))
        assert_problem(response, 401, "unauthorized")
        assert (await client.get("/healthz")).status_code == 200


async def test_session_belongs_to_all_keys_of_its_owner(
    client: httpx.AsyncClient, lab: httpx.AsyncClient
) -> None:
    session_id = await new_session(lab, [picture()])
    async with keyed(client, LAB_TOO) as lab_too:
        assert (await post_segment(lab_too, session_id, [picture()])).status_code == 200
        assert (await lab_too.get(f"/sessions/{session_id}")).status_code == 200


async def test_another_owner_meets_an_unknown_session_on_every_route(
    app: FastAPI, lab: httpx.AsyncClient, desk: httpx.AsyncClient
) -> None:
    session_id = await new_session(lab, [picture()])
    asked = [(method, path) for method, path in operations(app) if "{session_id}" in path]
    assert len(asked) >= 3
    for method, path in asked:
        theirs = await desk.request(method, filled(path, session_id))
        unknown = await desk.request(method, filled(path, UNKNOWN))
        if method in {"GET", "DELETE"}:
            assert_problem(theirs, 404, "session_not_found")
        assert without_request_id(theirs) == without_request_id(unknown)
    assert (await lab.get(f"/sessions/{session_id}")).status_code == 200


@pytest.mark.parametrize("in_header", [True, False])
async def test_another_owner_can_neither_add_to_a_session_nor_use_it(
    lab: httpx.AsyncClient, desk: httpx.AsyncClient, in_header: bool
) -> None:
    session_id = await new_session(lab, [picture()])
    answers = []
    for named in (session_id, UNKNOWN):
        place: dict[str, Any] = (
            {"headers": {"X-Session-ID": named}} if in_header else {"data": {"session_id": named}}
        )
        answers.append(
            [
                await desk.post("/segment", files=files("images", [picture().image_png]), **place),
                await desk.post(
                    "/support",
                    files=files("images", [picture().image_png])
                    + files("masks", [picture().mask_png]),
                    **place | {"data": {"class_name": "thing"} | place.get("data", {})},
                ),
            ]
        )
    for theirs, unknown in zip(*answers, strict=True):
        assert_problem(theirs, 404, "session_not_found")
        assert without_request_id(theirs) == without_request_id(unknown)
    (known,) = (await lab.get(f"/sessions/{session_id}")).json()["classes"]
    assert known["shots"] == 1


async def test_keys_are_rotated_without_a_restart(
    key_file: Path, client: httpx.AsyncClient, lab: httpx.AsyncClient
) -> None:
    session_id = await new_session(lab, [picture()])
    fresh = new_key()
    await asyncio.to_thread(key_file.write_text, key_line("lab", fresh))
    # The file is looked at once a second.
    async with asyncio.timeout(20), keyed(client, fresh) as rotated:
        while (answer := await rotated.get(f"/sessions/{session_id}")).status_code != 200:
            assert_problem(answer, 401, "unauthorized")
            await asyncio.sleep(0.05)
    assert_problem(await lab.get("/models"), 401, "unauthorized")


async def test_document_declares_keys_and_refusals(app: FastAPI) -> None:
    document = app.openapi()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["header"]["in"], schemes["header"]["name"]) == ("header", "X-API-Key")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert ("401" in operation["responses"]) is (path not in OPEN)
            assert operation.get("security", []) == (
                [] if path in OPEN else [{"bearer": []}, {"header": []}]
            )


async def test_without_keys_a_key_is_ignored(settings: Settings, fake_engine: FakeEngine) -> None:
    async with running(create_app(settings, engine=fake_engine)) as client:
        response = await client.get("/models", headers={"X-API-Key": LAB})
        assert response.status_code == 200
        assert (await post_support(client, [picture()])).status_code == 201


def without_request_id(response: httpx.Response) -> dict[str, Any]:
    return {"status": response.status_code} | {
        name: value for name, value in response.json().items() if name != "request_id"
    }


async def test_uploads_of_a_key_leave_the_others_room(
    settings: Settings, fake_engine: FakeEngine, key_file: Path
) -> None:
    bounds = {"max_body_bytes": 100_000, "max_upload_bytes": 170_000, "api_keys_file": key_file}
    bounded = create_app(settings.model_copy(update=bounds), engine=fake_engine)
    held = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        yield bytes(60_000)
        held.set()
        await asyncio.Event().wait()

    async with (
        running(bounded) as client,
        keyed(client, LAB) as lab,
        keyed(client, LAB_TOO) as lab_too,
        keyed(client, DESK) as desk,
    ):
        multipart = {"Content-Type": "multipart/form-data; boundary=b"}
        holding = asyncio.create_task(lab.post("/segment", content=stalled(), headers=multipart))
        await held.wait()
        body = files("images", [bytes(60_000)])
        refused = await lab_too.post("/segment", files=body)  # another key of the same owner
        assert_problem(refused, 429, "too_many_requests")
        assert int(refused.headers["Retry-After"]) >= 1
        # There is room for others: read to its end, and refused for naming no session.
        assert_problem(await desk.post("/segment", files=body), 422, "invalid_request")
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        assert_problem(await lab.post("/segment", files=body), 422, "invalid_request")
