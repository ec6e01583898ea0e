"""The calls of a job, and what it is given."""

import asyncio
import io
import threading
import zipfile
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from service.jobs import creation
from service.jobs.archives import unpack_images
from tests.service.pictures import picture

SCENES = [picture(seed=seed, box=(10 * seed, 40, 50, 60)) for seed in range(4)]


def uploads(count: int = 4) -> list[tuple[str, tuple[str, bytes]]]:
    return [("images", (f"line/{i}.png", SCENES[i % 4].image_png)) for i in range(count)]


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            # Of no time: the same members are the same bytes, also two seconds later.
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


async def ended(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            job: dict[str, Any] = (await client.get(f"/jobs/{job_id}")).json()
            if job["state"] in ("done", "cancelled"):
                return job
            await asyncio.sleep(0.02)


def results(response: httpx.Response) -> zipfile.ZipFile:
    assert response.status_code == 200, response.text
    return zipfile.ZipFile(io.BytesIO(response.content))


def slow_unpacking(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Have the unpacking of a zip wait: set when it begins, and to be set for it to go on."""
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any, **options: Any) -> list[str]:
        begun.set()
        assert go_on.wait(30)
        return unpack_images(*arguments, **options)

    monkeypatch.setattr(creation, "unpack_images", slowly)
    return begun, go_on


async def post_and_leave(
    app: FastAPI, request: httpx.Request, monkeypatch: pytest.MonkeyPatch
) -> list[Message]:
    """Post a job with an archive, and leave while that is unpacked; what was sent back."""
    unpacking, left = slow_unpacking(monkeypatch)
    body, sent = [await request.aread()], list[Message]()

    async def receive() -> Message:
        if body:
            return {"type": "http.request", "body": body.pop(), "more_body": False}
        await asyncio.to_thread(unpacking.wait, 30)
        asyncio.get_running_loop().call_later(0.1, left.set)  # the thread cannot be stopped
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(name.lower(), value) for name, value in request.headers.raw]
    scope = {"type": "http", "method": "POST", "path": "/jobs", "query_string": b""}
    await app(scope | {"headers": headers}, receive, send)
    return sent
