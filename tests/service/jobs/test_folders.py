"""Jobs over folders of the server: what was allowed, as it was when the job was made."""

import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from service.telemetry.logs import JsonFormatter
from tests.service.http_api import assert_problem, new_session, running
from tests.service.jobs.job_calls import SCENES, ended, results

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PICTURE = SCENES[0].image_png


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """A root with two images for a job, and a secret beside it that links try to reach."""
    root = tmp_path / "allowed"
    (root / "line" / "deep").mkdir(parents=True)
    (root / "line" / "a.png").write_bytes(PICTURE)
    (root / "line" / "deep" / "b.png").write_bytes(PICTURE)
    (root / "line" / ".hidden.png").write_bytes(PICTURE)
    (root / "line" / "notes.txt").write_text("none")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(PICTURE)
    (root / "line" / "link.png").symlink_to(outside / "secret.png")
    (root / "line" / "linked").symlink_to(outside)
    os.mkfifo(root / "line" / "pipe.png")
    return root


@pytest.fixture
async def client(tmp_path: Path, allowed: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(jobs_dir=tmp_path / "jobs", jobs_folders=(allowed,))
    async with running(create_app(settings, engine=FakeEngine())) as client:
        yield client


async def make(client: httpx.AsyncClient, folder: str) -> httpx.Response:
    fields = {"session_id": await new_session(client, SCENES[:1]), "folder": folder}
    # As `curl -F`: without a file httpx would send a form that is not multipart.
    return await client.post("/jobs", files={name: (None, text) for name, text in fields.items()})


async def test_images_are_read_where_they_are(
    client: httpx.AsyncClient, allowed: Path, tmp_path: Path
) -> None:
    response = await make(client, str(allowed / "line"))
    assert response.status_code == 202, response.text
    job = await ended(client, response.json()["job_id"])
    assert (job["done"], job["failed"]) == (2, 0)
    names = results(await client.get(f"/jobs/{job['job_id']}/results")).namelist()
    assert {"masks/labels/a.png", "masks/labels/deep/b.png"} <= set(names)
    kept = (tmp_path / "jobs" / "files" / job["job_id"]).iterdir()
    assert {path.name for path in kept} == {"session.safetensors", "0.json", "1.json"}


@pytest.mark.parametrize(
    "folder",
    [
        "{root}/../outside",
        "{root}/line/../../outside",
        "{root}/line/linked",
        "{root}/none",
        "{root}/line/a.png",
        "{root}-not",
        "line",
        "/",
        "",
        "\0",
    ],
)
async def test_nothing_outside_of_the_roots_is_told_of(
    client: httpx.AsyncClient, allowed: Path, folder: str
) -> None:
    (allowed.parent / "allowed-not").mkdir()
    problem = assert_problem(
        await make(client, folder.format(root=allowed)), 422, "invalid_request"
    )
    absent = assert_problem(await make(client, "/no/such/folder"), 422, "invalid_request")
    assert problem["detail"] == absent["detail"]


async def test_what_is_swapped_for_a_link_is_not_followed(
    client: httpx.AsyncClient, allowed: Path
) -> None:
    """Between the making of a job and its work, by who may write to the folder."""
    fields = {"session_id": await new_session(client, SCENES[:1])}
    busy = [("images", (f"{i}.png", PICTURE)) for i in range(40)]
    first = (await client.post("/jobs", data=fields, files=busy)).json()["job_id"]
    (allowed / "line" / "c.png").write_bytes(PICTURE)
    second = (await make(client, str(allowed / "line"))).json()["job_id"]
    (allowed / "line" / "a.png").unlink()
    (allowed / "line" / "a.png").symlink_to(allowed.parent / "outside" / "secret.png")
    (allowed / "line" / "deep").rename(allowed / "moved")
    (allowed / "line" / "deep").symlink_to(allowed / "moved")
    (allowed / "line" / "c.png").write_bytes(PICTURE + b"!")
    assert (await ended(client, first))["done"] == 40
    job = await ended(client, second)
    assert [(each["file_name"], each["code"]) for each in job["errors"]] == [
        ("a.png", "image_missing"),
        ("c.png", "image_changed"),
        ("deep/b.png", "image_missing"),
    ]
    (allowed / "line" / "deep").unlink()
    (allowed / "moved").rename(allowed / "line" / "deep")
    await client.post(f"/jobs/{second}/resume")
    assert (await ended(client, second))["done"] == 1


async def test_a_folder_that_cannot_be_read_is_told_of(
    client: httpx.AsyncClient, allowed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is root could read it, so that no mode of the folder would do."""
    opened = os.open

    def locked(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "deep":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", locked)
    problem = assert_problem(await make(client, str(allowed / "line")), 422, "invalid_request")
    assert problem["detail"] == "the folder deep cannot be read"
    (allowed / "line" / "deep").rename(allowed / "line" / "lost+found")
    monkeypatch.setattr(os, "open", opened)
    first = (await make(client, str(allowed / "line"))).json()["total"]
    (allowed / "line" / "lost+found").rename(allowed / "line" / "shown")
    assert (await make(client, str(allowed / "line"))).json()["total"] == first + 1


async def test_the_log_tells_why_an_image_cannot_be_read_and_not_which(
    client: httpx.AsyncClient,
    allowed: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    opened = os.open

    def broken(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "patient.png":
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return opened(path, *arguments, **options)

    (allowed / "line" / "a.png").rename(allowed / "line" / "patient.png")
    monkeypatch.setattr("service.jobs.back_off._LONGEST_S", 0.001)
    monkeypatch.setattr(os, "open", broken)
    job = await ended(client, (await make(client, str(allowed / "line"))).json()["job_id"])
    assert (job["done"], [each["code"] for each in job["errors"]]) == (1, ["internal_error"])
    lines = [JsonFormatter().format(record) for record in caplog.records]
    told = [json.loads(line)["event"] for line in lines if "OSError: Input/output error" in line]
    assert set(told) == {"a file of a job cannot be read", "image of a job failed"}
    assert "patient" not in "".join(lines)


async def test_an_image_that_the_machine_cannot_open_for_now_is_not_missing(
    client: httpx.AsyncClient, allowed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, failures = os.open, list[object]()

    def out_of_descriptors(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "a.png" and len(failures) < 2:
            failures.append(path)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", out_of_descriptors)
    job = await ended(client, (await make(client, str(allowed / "line"))).json()["job_id"])
    assert (job["done"], job["failed"], len(failures)) == (2, 0, 2)


async def test_without_roots_there_are_no_folders(tmp_path: Path) -> None:
    settings = Settings(jobs_dir=tmp_path / "jobs")
    async with running(create_app(settings, engine=FakeEngine())) as client:
        problem = assert_problem(await make(client, str(tmp_path)), 422, "invalid_request")
    assert "allowed no folders" in problem["detail"]


def test_roots_are_a_list_of_absolute_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    roots = (tmp_path / "line 1", tmp_path / "line,2")
    for root in roots:
        root.mkdir()
    monkeypatch.setenv("FSS_JOBS_FOLDERS", ":".join(map(str, roots)))
    assert Settings().jobs_folders == roots
    monkeypatch.setenv("FSS_JOBS_FOLDERS", "data")
    with pytest.raises(ValidationError, match="absolute"):
        Settings()
