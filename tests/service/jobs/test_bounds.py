"""What a job may take is bounded while it arrives, and before where that is known."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from service.access import key_line, new_key
from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from tests.service.http_api import assert_problem, new_session, running
from tests.service.jobs.job_calls import SCENES, ended, uploads, zipped

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
END = b"\r\n--b--\r\n"


def service(tmp_path: Path, **options: Any) -> Any:
    settings = Settings(jobs_dir=tmp_path / "jobs", **options)
    return running(create_app(settings, engine=FakeEngine()))


async def unreadable() -> AsyncIterator[bytes]:
    raise AssertionError("the body was read")
    yield b""


async def slowly(chunks: list[bytes], pause_s: float) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(pause_s)


async def paused(head: bytes, going: asyncio.Event, on: asyncio.Event) -> AsyncIterator[bytes]:
    yield head
    going.set()
    await on.wait()
    yield END


async def kept(tmp_path: Path) -> int:
    return len(await asyncio.to_thread(lambda: list((tmp_path / "jobs" / "files").iterdir())))


async def test_an_owner_with_all_its_jobs_is_refused_before_the_body(tmp_path: Path) -> None:
    async with service(tmp_path, jobs_max_owner=1) as client:
        fields = {"session_id": await new_session(client, SCENES[:1])}
        job_id = (await client.post("/jobs", data=fields, files=uploads(1))).json()["job_id"]
        refused = await client.post("/jobs", content=unreadable(), headers=FORM)
        assert_problem(refused, 422, "limit_exceeded")
        await client.delete(f"/jobs/{job_id}")
        again = await client.post("/jobs", data=fields, files=uploads(1))
        assert again.status_code == 202


async def test_what_is_announced_must_fit_before_it_is_read(tmp_path: Path) -> None:
    async with service(tmp_path, jobs_max_total_bytes=100_000) as client:
        headers = FORM | {"Content-Length": "100001"}
        refused = await client.post("/jobs", content=unreadable(), headers=headers)
        assert_problem(refused, 422, "limit_exceeded")
        assert await kept(tmp_path) == 0


async def test_uploads_that_arrive_count_together(tmp_path: Path) -> None:
    going, on = asyncio.Event(), asyncio.Event()
    half = HEAD + bytes(600_000)
    async with service(tmp_path, jobs_max_total_bytes=1_000_000, jobs_max_owner=2) as client:
        first = asyncio.create_task(
            client.post("/jobs", content=paused(half, going, on), headers=FORM)
        )
        await going.wait()
        second = await client.post("/jobs", content=slowly([half, END], 0), headers=FORM)
        assert_problem(second, 422, "limit_exceeded")
        on.set()
        assert_problem(await first, 422, "invalid_request")  # it names no session
        alone = await client.post("/jobs", content=slowly([half, END], 0), headers=FORM)
        assert_problem(alone, 422, "invalid_request")
        assert await kept(tmp_path) == 0


async def test_the_bytes_of_a_key_leave_the_others_theirs(tmp_path: Path) -> None:
    keys = {name: new_key() for name in ("one", "two", "three")}
    path = tmp_path / "keys"
    path.write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    bounds = {"jobs_max_owner_bytes": 400_000, "jobs_max_total_bytes": 700_000}
    async with service(tmp_path, api_keys_file=path, **bounds) as client:

        async def posted(key: str, size: int) -> httpx.Response:
            headers = {"X-API-Key": keys[key]}
            session = await client.post(
                "/support",
                data={"class_name": "thing"},
                files={"images": SCENES[0].image_png, "masks": SCENES[0].mask_png},
                headers=headers,
            )
            fields = {"session_id": session.json()["session_id"]}
            files = [("images", ("a.png", bytes(size)))]
            made: httpx.Response = await client.post(
                "/jobs", data=fields, files=files, headers=headers
            )
            return made

        assert (await posted("one", 300_000)).status_code == 202
        problem = assert_problem(await posted("one", 200_000), 422, "limit_exceeded")
        assert "400000 bytes; delete jobs" in problem["detail"]
        assert (await posted("two", 200_000)).status_code == 202
        refused = await posted("three", 300_000)  # the disk has no more, which is not its doing
        assert_problem(refused, 503, "job_storage_failed")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await posted("three", 100_000)).status_code == 202


async def test_a_body_may_take_long_but_not_stall(tmp_path: Path) -> None:
    async with service(tmp_path, jobs_stall_s=0.5) as client:
        moving = slowly([HEAD, *[bytes(20_000)] * 4, END], 0.2)
        assert_problem(
            await client.post("/jobs", content=moving, headers=FORM), 422, "invalid_request"
        )
        trickling = slowly([HEAD, *[b"0"] * 1000], 0.1)
        assert_problem(
            await client.post("/jobs", content=trickling, headers=FORM), 504, "deadline_exceeded"
        )
        assert await kept(tmp_path) == 0


async def test_a_file_that_no_field_takes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="masks"; filename="a"\r\n\r\n'

    async def body() -> AsyncIterator[bytes]:
        yield head
        raise AssertionError("the file was read")

    async with service(tmp_path) as client:
        refused = await client.post("/jobs", content=body(), headers=FORM)
        problem = assert_problem(refused, 422, "invalid_request")
        assert problem["errors"] == [
            {"location": "masks", "message": "there is no such file field"}
        ]
        assert await kept(tmp_path) == 0


async def test_texts_are_bounded_however_many_images_may_come(tmp_path: Path) -> None:
    text = b'--b\r\nContent-Disposition: form-data; name="classes"\r\n\r\na\r\n'
    async with service(tmp_path) as client:
        refused = await client.post("/jobs", content=301 * text + b"--b--\r\n", headers=FORM)
        assert "300 text fields" in assert_problem(refused, 422, "invalid_request")["detail"]


async def posted_zip(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    fields = {"session_id": await new_session(client, SCENES[:1])}
    return await client.post("/jobs", data=fields, files=[("archive", ("a.zip", content))])


async def test_zips_are_bounded_as_they_come_out(tmp_path: Path) -> None:
    bomb = zipped({f"{i}.png": bytes(400_000) for i in range(4)})
    assert len(bomb) < 10_000
    async with service(tmp_path, jobs_max_total_bytes=1_000_000) as client:
        assert_problem(await posted_zip(client, bomb), 422, "limit_exceeded")
        assert await kept(tmp_path) == 0


async def test_the_directory_of_a_zip_is_bounded_before_it_is_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(50):
            entry = zipfile.ZipInfo(f"{number}.txt")
            entry.comment = bytes(65_535)
            archive.writestr(entry, b"")
    async with service(tmp_path, jobs_max_images=5) as client:
        problem = assert_problem(await posted_zip(client, buffer.getvalue()), 413, "too_many_files")
        assert problem["detail"] == "the zip has too many entries"


async def test_a_zip_whose_beginning_is_missing_is_no_failing_disk(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3000), dtype=np.uint8)
    whole = zipped({f"{number}.png": row.tobytes() for number, row in enumerate(pixels)})
    async with service(tmp_path) as client:
        for part in (whole[5000:], whole[-200:], whole[:-200]):
            problem = assert_problem(await posted_zip(client, part), 422, "invalid_request")
            assert problem["detail"] == "not a zip file that can be read"


async def test_an_empty_zip_is_a_zip_without_images(tmp_path: Path) -> None:
    async with service(tmp_path) as client:
        problem = assert_problem(await posted_zip(client, zipped({})), 422, "invalid_request")
        assert problem["detail"].startswith("no images")


async def test_zips_that_grow_as_no_images_do_are_refused(tmp_path: Path) -> None:
    async with service(tmp_path) as client:
        bomb = zipped({"0.png": bytes(17 * 1024 * 1024)})
        assert_problem(await posted_zip(client, bomb), 413, "body_too_large")
        assert await kept(tmp_path) == 0


async def test_a_file_larger_than_a_request_may_be_fails_alone(tmp_path: Path) -> None:
    async with service(tmp_path, max_body_bytes=40_000) as client:
        fields = {"session_id": await new_session(client, SCENES[:1])}
        files = [*uploads(1), ("images", ("large.png", bytes(40_001)))]
        response = await client.post("/jobs", data=fields, files=files)
        job = await ended(client, response.json()["job_id"])
        assert [each["code"] for each in job["errors"]] == ["body_too_large"]
        assert job["done"] == 1
