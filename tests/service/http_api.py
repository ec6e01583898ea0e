"""The service's two endpoints as short calls on an httpx client."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from service.app import create_app
from service.engine import Engine
from service.server import create_server
from service.settings import Settings
from tests.service.pictures import Picture


class InProcess(httpx.ASGITransport):
    """Lets others have their turn at every request, as a network does."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the application."""
        await asyncio.sleep(0)
        return await super().handle_async_request(request)


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose lifespan runs and whose engine has finished starting."""
    async with app.router.lifespan_context(app):
        transport = InProcess(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            while (await client.get("/readyz")).status_code != 200:
                assert (await client.get("/healthz")).status_code == 200
                await asyncio.sleep(0.001)  # else the engine's threads would hardly have a turn
            yield client


@asynccontextmanager
async def listening(settings: Settings, engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application behind uvicorn, in this process."""
    server = create_server(create_app(settings, engine=engine), settings)
    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


def files(field: str, contents: Sequence[bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    """Multipart files of one field."""
    return [(field, (f"{field}-{i}", content)) for i, content in enumerate(contents)]


async def post_support(
    client: httpx.AsyncClient, pictures: Sequence[Picture], class_name: str = "thing", **fields: Any
) -> httpx.Response:
    """`POST /support` with pictures and their masks."""
    return await client.post(
        "/support",
        data={"class_name": class_name, **fields},
        files=files("images", [p.image_png for p in pictures])
        + files("masks", [p.mask_png for p in pictures]),
    )


async def new_session(
    client: httpx.AsyncClient, pictures: Sequence[Picture], class_name: str = "thing", **fields: Any
) -> str:
    """The id of a new session that knows one class."""
    response = await post_support(client, pictures, class_name, **fields)
    assert response.status_code == 201, response.text
    return str(response.json()["session_id"])


async def post_segment(
    client: httpx.AsyncClient,
    session_id: str,
    pictures: Sequence[Picture],
    *,
    accept: str = "*/*",
    **fields: Any,
) -> httpx.Response:
    """`POST /segment` with pictures, their masks kept back."""
    return await client.post(
        "/segment",
        data={"session_id": session_id, **fields},
        files=files("images", [p.image_png for p in pictures]),
        headers={"Accept": accept},
    )


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a well-formed problem of that status and code."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:fss:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem
