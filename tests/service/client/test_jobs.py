"""Jobs by both clients, against a service that has them, and one whose streams break off."""

import asyncio
import errno
import json
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from pycocotools.coco import COCO

from service.cli import main
from service.client import AsyncClient, Client, ImageLike, Retries, job_calls, job_flows
from service.client.errors import (
    ConnectionFailedError,
    InvalidInputError,
    JobNotFoundError,
    JobsDisabledError,
    JobStateError,
    NotReadyError,
    UnexpectedAnswerError,
)
from service.client.packing import pack
from service.offline.errors import OfflineError
from service.offline.folder import find_images
from tests.service.client.scripted_server import Answer, Scripted, problem, scripted
from tests.service.pictures import picture

SHOT = picture()
QUICK = Retries(attempts=3, first_wait_s=0.01)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images, one of them in a folder inside and one broken."""
    folder = tmp_path / "photos"
    (folder / "inside").mkdir(parents=True)
    (folder / "a.png").write_bytes(SHOT.image_png)
    (folder / "b.png").write_bytes(SHOT.image_png[:300])
    (folder / "inside/c.png").write_bytes(SHOT.image_png)
    (folder / "notes.txt").write_text("none")
    return folder


def test_a_folder_from_its_upload_to_its_results(
    url: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        job = session.create_job(photos, formats=["coco", "png"])
        session.delete()
        ended = job.wait(progress=True)
        assert (ended.state, ended.done, ended.failed) == ("done", 2, 1)
        assert [(each.file_name, each.code) for each in ended.errors] == [
            ("b.png", "corrupt_image")
        ]
        assert "3/3" in capsys.readouterr().err
        assert job.results(tmp_path / "out") == tmp_path / "out"
        coco = COCO(str(tmp_path / "out/coco.json"))
        assert [each["file_name"] for each in coco.dataset["images"]] == ["a.png", "inside/c.png"]
        assert (tmp_path / "out/masks/labels/inside/c.png").exists()
        job.results(tmp_path / "out.zip")
        assert "coco.json" in zipfile.ZipFile(tmp_path / "out.zip").namelist()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.zip", "photos"]
        assert job.id in [each.job_id for each in client.jobs()]
        assert client.job(job.id).resume().total == 3
        job.wait()
        job.delete()
        with pytest.raises(JobNotFoundError):
            job.wait()


async def test_the_asynchronous_client_does_alike(url: str, tmp_path: Path) -> None:
    async with AsyncClient(url) as client:
        session = client.session()
        await session.register("thing", SHOT.image, SHOT.mask)
        images: list[Any] = [SHOT.image, SHOT.image_png, picture(seed=3).image]
        job = await session.create_job(images, formats=["yolo"])
        assert (await job.wait()).done == 3
        await job.results(tmp_path / "out")
        assert len(list((tmp_path / "out/yolo/labels").iterdir())) == 3
        await job.delete()
        with pytest.raises(JobNotFoundError):
            await job.status()


def test_a_zip_goes_as_it_is(url: str, photos: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.write(photos / "a.png", "deep/a.png")
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        job = session.create_job(tmp_path / "images.zip", formats=["geojson"])
        assert job.wait().done == 1
        assert job.cancel().state == "done"
        job.results(tmp_path / "out")
    assert (tmp_path / "out/geojson/deep/a.geojson").exists()


def test_a_folder_that_cannot_be_read_is_told_of(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever is root could read it, so that no mode of the folder would do."""
    locked, scan = photos / "inside", os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(InvalidInputError, match=f"{locked}: Permission denied"),
    ):
        client.session("s").create_job(photos)
    assert main(["segment", str(photos), "--session", "s", "--out", str(tmp_path / "out")]) == 2
    assert f"{locked}: Permission denied" in capsys.readouterr().err
    with pytest.raises(OfflineError, match=f"{locked}: Permission denied"):
        find_images(photos, recursive=True)
    assert len(find_images(photos).images) == 2
    locked = photos / "lost+found"  # as at the root of a disk, for root alone
    locked.mkdir()
    assert len(find_images(photos, recursive=True).images) == 3


def test_what_is_no_image_is_told_without_asking(tmp_path: Path) -> None:
    with Client("http://127.0.0.1:9") as client:
        session = client.session("s")
        with pytest.raises(InvalidInputError, match="no image to segment"):
            session.create_job(tmp_path)
        with pytest.raises(InvalidInputError, match="neither a folder nor a zip"):
            session.create_job(tmp_path / "nowhere")
        with pytest.raises(InvalidInputError, match="No such file"):
            session.create_job([tmp_path / "missing.png"])


@pytest.mark.parametrize("form", ["folder", "list"])
def test_an_image_without_a_byte_is_listed_and_stops_no_job(
    url: str, photos: Path, form: str
) -> None:
    (photos / "empty.jpg").touch()
    several: list[ImageLike] = [photos / "empty.jpg", b"", photos / "a.png"]
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        job = session.create_job(photos if form == "folder" else several)
        ended = job.wait()
        job.delete()
    failed = {each.file_name: each.code for each in ended.errors}
    if form == "folder":
        assert ended.done == 2
        assert failed == {"b.png": "corrupt_image", "empty.jpg": "unsupported_image"}
    else:
        assert ended.done == 1
        assert failed == dict.fromkeys(["empty.jpg", "00001.png"], "unsupported_image")


def test_images_of_one_name_in_several_folders_keep_apart(photos: Path, tmp_path: Path) -> None:
    (photos / "inside/a.png").write_bytes(SHOT.image_png)
    odd = tmp_path / os.fsdecode(b"\xe9.jpg")
    odd.write_bytes(SHOT.image_png)
    images: list[ImageLike] = [photos / "a.png", SHOT.image, photos / "inside/a.png", odd]
    with pack(images) as packed, zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["a.png", "00001.png", "00002_a.png", "\ufffd.jpg"]


def test_images_called_as_others_are_made_to_be_keep_apart(tmp_path: Path) -> None:
    images = [tmp_path / name for name in ("x/00002_a.png", "y/a.png", "z/a.png")]
    for image in images:
        image.parent.mkdir()
        image.write_bytes(SHOT.image_png)
    with pack(images) as packed, zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["00002_a.png", "a.png", "00002_00002_a.png"]


def test_of_a_folder_hidden_images_stay_and_two_of_one_name_are_refused(photos: Path) -> None:
    (photos / "._a.png").write_bytes(b"of macOS")
    (photos / ".cache").mkdir()
    (photos / ".cache/c.png").write_bytes(SHOT.image_png)
    with pack(photos) as packed, zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["a.png", "b.png", "inside/c.png"]
    for name in (b"\xe9.png", b"\xe8.png"):
        (photos / os.fsdecode(name)).write_bytes(SHOT.image_png)
    with pytest.raises(InvalidInputError, match="two images are called \ufffd"):
        pack(photos)


def test_a_service_without_jobs_is_not_asked_again() -> None:
    script = Scripted((503, problem(503, "jobs_disabled"), {}))
    with scripted(script) as url, Client(url) as client, pytest.raises(JobsDisabledError):
        client.jobs()
    assert len(script.asked) == 1


def event(kind: str, done: int, still: str | None = None) -> bytes:
    job: dict[str, object] = {"job_id": "j", "state": "done" if kind == "end" else "running"}
    job |= {"total": 3, "done": done, "failed": 0, "created": "2026-01-01T00:00:00Z"}
    job |= {"stands_still_since": still}
    return f"id: {done}\r\nevent: {kind}\r\ndata: {json.dumps(job)}\r\n\r\n".encode()


STREAM = {"Content-Type": "text/event-stream"}
BROKEN = STREAM | {"Content-Length": "99999"}
STATUS: Answer = (200, event("end", 3).split(b"data: ")[1].strip(), {})


def test_a_stream_that_breaks_off_is_asked_for_again(tmp_path: Path) -> None:
    script = Scripted(
        (200, event("progress", 1) + event("progress", 2)[:30], BROKEN),
        (503, problem(503, "not_ready"), {}),
        (200, b": ping\r\n\r\n", STREAM),
        (200, event("progress", 2) + event("end", 3), STREAM),
        STATUS,
    )
    with scripted(script) as url, Client(url, retries=QUICK) as client:
        assert client.job("j").wait().done == 3
    assert script.asked == ["/jobs/j/events"] * 4 + ["/jobs/j"]
    assert [each.get("last-event-id") for each in script.headers] == [None, "1", "1", "1", None]


def test_a_standstill_is_warned_of_each_time_that_it_begins(
    caplog: pytest.LogCaptureFixture,
) -> None:
    still = "2026-01-01T00:01:00Z"
    told = [event("progress", 1), *[event("progress", 1, still)] * 2, event("progress", 2)]
    script = Scripted((200, b"".join([*told, *told, event("end", 3)]), STREAM), STATUS)
    with scripted(script) as url, Client(url) as client:
        client.job("j").wait()
    warned = [each.getMessage() for each in caplog.records if each.name == "service.client"]
    assert len(warned) == 2
    assert "the job has stood still since 20" in warned[0]


def test_a_job_is_waited_for_while_its_service_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which takes longer than the attempts of one call do."""
    begun = (200, event("progress", 1), BROKEN)
    away: Answer = (503, problem(503, "not_ready"), {})
    script = Scripted(begun, *[away] * 12, (200, event("end", 3), STREAM), STATUS)
    with scripted(script) as url, Client(url, retries=QUICK) as client:
        assert client.job("j").wait().done == 3
    monkeypatch.setattr(job_flows, "_LOOK_AGAIN_S", 0.01)
    by_proxy: Answer = (502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})
    script = Scripted(begun, *[by_proxy] * 12, (200, event("end", 3), STREAM), STATUS)
    with scripted(script) as url, Client(url, retries=QUICK) as client:
        assert client.job("j").wait().done == 3
    script = Scripted(begun, away)
    with scripted(script) as url, Client(url, retries=replace(QUICK, restart_s=0.5)) as client:
        began = time.monotonic()
        with pytest.raises(NotReadyError):
            client.job("j").wait()
        assert 0.5 <= time.monotonic() - began < 10
    script = Scripted(begun, away)
    with (
        scripted(script) as url,
        Client(url, retries=Retries(attempts=1)) as client,
        pytest.raises(ConnectionFailedError),
    ):
        client.job("j").wait()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, b"", BROKEN), ConnectionFailedError),
        # As a page that answers everything does.
        ((200, b"<html></html>", {"Content-Type": "text/html"}), UnexpectedAnswerError),
    ],
)
def test_waiting_ends_where_no_event_comes(answer: Answer, error: type[Exception]) -> None:
    script = Scripted(answer)
    with scripted(script) as url, Client(url, retries=QUICK) as client, pytest.raises(error):
        client.job("j").wait()
    assert len(script.asked) == 3


def test_events_of_something_else() -> None:
    script = Scripted((200, b"data: {}\n\n", STREAM))
    with scripted(script) as url, Client(url) as client, pytest.raises(UnexpectedAnswerError):
        client.job("j").wait()


def test_results_that_break_off_are_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("coco.json", "{}")
    data = whole.read_bytes()
    broken = {"Content-Length": str(len(data))}
    script = Scripted((200, data[:20], broken), (200, data, {}))
    with scripted(script) as url, Client(url, retries=QUICK) as client:
        client.job("j").results(tmp_path / "deep/got.zip")
        monkeypatch.chdir(tmp_path / "deep")
        client.job("j").results(".")
    assert (tmp_path / "deep/got.zip").read_bytes() == data
    names = sorted(path.name for path in (tmp_path / "deep").iterdir())
    assert names == [".fss-job", "coco.json", "got.zip"]
    script = Scripted((409, problem(409, "job_state"), {}))
    with scripted(script) as url, Client(url) as client, pytest.raises(JobStateError):
        client.job("j").results(tmp_path / "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "whole.zip"]


def test_a_download_that_is_interrupted_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(httpx.Client, "stream", interrupt)
    with Client("http://127.0.0.1:9") as client, pytest.raises(KeyboardInterrupt) as raised:
        client.job("j").results(tmp_path / "out.zip")
    assert raised.traceback  # what ran is not collected yet
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_is_cancelled_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel(*_: object, **__: object) -> NoReturn:
        raise asyncio.CancelledError

    async def download() -> None:
        async with AsyncClient("http://127.0.0.1:9") as client:
            await client.job("j").results(tmp_path / "out.zip")

    monkeypatch.setattr(httpx.AsyncClient, "stream", cancel)
    with pytest.raises(asyncio.CancelledError) as raised:
        asyncio.run(download())
    assert raised.traceback
    assert list(tmp_path.iterdir()) == []


def test_results_of_two_jobs_keep_apart(tmp_path: Path) -> None:
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("coco.json", "{}")
    out, older = tmp_path / "out", tmp_path / "older"
    older.mkdir()
    (older / "coco.json").write_text("of a version that made no note")
    script = Scripted((200, whole.read_bytes(), {}))
    with scripted(script) as url, Client(url) as client:
        for _ in range(2):
            client.job("a").results(out)
        with pytest.raises(InvalidInputError, match="holds the results of job a"):
            client.job("b").results(out)
        with pytest.raises(InvalidInputError, match=r"older/coco\.json is there already"):
            client.job("b").results(older)
    assert script.asked == ["/jobs/a/results", "/jobs/a/results", "/jobs/b/results"]
    assert (older / "coco.json").read_text() != "{}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["older", "out", "whole.zip"]


class Slow(Scripted):
    """Answers after longer than the clients of these tests wait."""

    def take(self, path: str, headers: dict[str, str]) -> Answer:
        answer = super().take(path, headers)
        self.pause(path)
        return answer

    def pause(self, path: str) -> None:
        time.sleep(0.5)


def test_what_works_through_all_images_may_take_long(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        archive.writestr("coco.json", "{}")
    script = Slow(STATUS, (200, (tmp_path / "whole.zip").read_bytes(), {}))
    with scripted(script) as url, Client(url, timeout_s=0.2, retries=QUICK) as client:
        job = client.session("s").create_job([SHOT.image])
        job.results(tmp_path / "out")
    assert (tmp_path / "out/coco.json").exists()
    assert script.asked == ["/jobs", "/jobs/j/results"]


class SlowEvents(Slow):
    """Answers all else at once."""

    def pause(self, path: str) -> None:
        if path.endswith("/events"):
            super().pause(path)


def test_events_may_come_more_seldom_than_responses() -> None:
    script = SlowEvents((200, event("end", 3), STREAM), STATUS)
    with scripted(script) as url, Client(url, timeout_s=0.2, retries=QUICK) as client:
        assert client.job("j").wait().done == 3
    assert script.asked == ["/jobs/j/events", "/jobs/j"]


def test_results_that_are_late_are_not_packed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_calls, "LONG_TIMEOUT", httpx.Timeout(0.2))
    script = Slow((200, b"", {}))
    with (
        scripted(script) as url,
        Client(url, retries=QUICK) as client,
        pytest.raises(ConnectionFailedError, match="did not answer in time"),
    ):
        client.job("j").results(tmp_path / "out")
    assert len(script.asked) == 1
