"""The calls of a job, and what it is given."""

import asyncio
import io
import zipfile
from typing import Any

import httpx

from tests.service.pictures import picture

SCENES = [picture(seed=seed, box=(10 * seed, 40, 50, 60)) for seed in range(4)]


def uploads(count: int = 4) -> list[tuple[str, tuple[str, bytes]]]:
    return [("images", (f"line/{i}.png", SCENES[i % 4].image_png)) for i in range(count)]


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
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
