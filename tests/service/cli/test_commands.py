"""The commands as a person types them, against a real service."""

import errno
import inspect
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import httpx
import numpy as np
import pytest
from PIL import Image

from service.access import key_line, new_key
from service.cli import main
from service.cli.choices import FormatName
from service.cli.doctor import why_no_gpu
from service.cli.failure import CommandError, client_errors_as_messages
from service.cli.label import label
from service.cli.machine import Gpus
from service.client import Retries
from service.jobs.store import JobStore
from service.schemas import FORMATS, Absent, CocoSegmentation, Instances, LookMode
from tests.service.client.scripted_server import Answer, Scripted, problem, scripted
from tests.service.pictures import BLUE, Picture, iou, picture, png
from tests.service.processes import serving, unused_port
from tests.service.tiny_bundle import write_tiny_bundle

# pycocotools answers NumPy 2's question for a copy in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def beside(folder: Path, shots: list[Picture]) -> None:
    """Images with the masks of a class beside them."""
    folder.mkdir()
    for number, shot in enumerate(shots):
        (folder / f"{number}.png").write_bytes(shot.image_png)
        (folder / f"{number}.thing.png").write_bytes(shot.mask_png)


def labelled(folder: Path, shots: list[Picture]) -> None:
    """Images and label maps; 255 is ignored."""
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    table = "index,name\n0,background\n3,thing\n4,unseen\n255,void\n"
    (folder / "classes.csv").write_text(table, encoding="utf-8-sig")  # as Excel writes it
    for number, shot in enumerate(shots):
        (folder / "images" / f"{number}.png").write_bytes(shot.image_png)
        labels = shot.mask * np.uint8(3)
        labels[0] = 255
        Image.fromarray(labels).save(folder / "labels" / f"{number}.png")


@pytest.mark.parametrize("write", [beside, labelled])
def test_register_a_folder_and_segment_another(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], write: object
) -> None:
    assert callable(write)
    write(tmp_path / "supports", [picture(seed=i) for i in range(17)])
    queries = tmp_path / "queries" / "inside"
    queries.mkdir(parents=True)
    query = picture(seed=30, box=(20, 60, 50, 70))
    (queries / "q.png").write_bytes(query.image_png)
    assert main(["register", "--support", str(tmp_path / "supports"), "--json", "--url", url]) == 0
    registered = json.loads(capsys.readouterr().out)
    (answer,) = registered["classes"]
    assert (answer["class_name"], answer["shots"]) == ("thing", 17)
    session = registered["session_id"]
    out = tmp_path / "out"
    command = ["segment", str(queries.parent), "--session", session, "--out", str(out)]
    command += ["--format", "png", "--format", "yolo", "--mode", "whole"]
    assert main([*command, "--json", "--url", url]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (out / "yolo/labels/inside/q.txt").read_text()
    assert (out / "masks/classes.csv").read_text() == "index,name\n1,thing\n"
    with Image.open(out / "masks/labels/inside/q.png") as image:
        found = np.asarray(image) == 1
    assert iou(found, query.mask) > 0.8
    assert line["classes"][0]["area"] == np.count_nonzero(found)


def test_a_job_from_its_making_to_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside(tmp_path / "s", [picture()])
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(picture().image_png)
    (photos / "b.png").write_bytes(picture().image_png[:300])
    environment = {"FSS_ENGINE": "fake", "FSS_JOBS_DIR": str(tmp_path / "jobs")}

    def fss(*command: str, status: int = 0) -> str:
        assert main([*command, "--url", address]) == status
        return capsys.readouterr().out.strip()

    with serving(tmp_path / "log", environment) as server:
        address = str(server.client.base_url)
        session = fss("register", "--support", str(tmp_path / "s"))
        job = fss("job", "create", str(photos), "--session", session, "--format", "coco")
        standing = "done: 1 of 2 done, 1 failed"
        assert fss("job", "wait", job, "--out", str(tmp_path / "out"), status=1) == standing
        assert (tmp_path / "out/coco.json").exists()
        assert fss("job", "list").startswith(job)
        assert fss("job", "cancel", job) == standing
        assert fss("job", "resume", job).startswith(
            ("queued: 1 of 2", "running: 1 of 2", "done: 1")
        )
        fss("job", "delete", job)
        assert fss("job", "list") == ""


def test_no_command_writes_what_is_not_there_or_is_but_a_speck(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At threshold 0 a class that is kept has pixels in every image, whether it is there or not."""
    beside(tmp_path / "s", [picture()])
    shot, photos = picture(BLUE), tmp_path / "photos"
    (tmp_path / "s/b.png").write_bytes(shot.image_png)
    (tmp_path / "s/b.blue.png").write_bytes(shot.mask_png)
    photos.mkdir()
    scene, small = picture(box=(20, 20, 60, 60), seed=5), picture(box=(90, 130, 12, 12), seed=5)
    both = np.where(small.mask[..., None], small.image, scene.image)
    (photos / "a.png").write_bytes(png(both))
    monkeypatch.setenv("FSS_ENGINE", "fake")
    support, address = ["--support", str(tmp_path / "s")], ["--url", url]

    def annotations(command: str, *options: str) -> list[tuple[int, bool, type]]:
        """The category of each object, whether its class is present, and what its mask is."""
        out = tmp_path / "-".join([command, *options]).replace("--", "")
        options = (*options, "--format", "coco")
        if command == "label":
            assert main(["label", str(photos), *support, "--out", str(out), *options]) == 0
        elif command == "segment":
            given = ["--session", session, "--out", str(out), *options]
            assert main(["segment", str(photos), *given, *address]) == 0
        else:
            created = ["create", str(photos), "--session", session, *options]
            assert main(["job", *created, *address]) == 0
            job = capsys.readouterr().out.strip()
            assert main(["job", "wait", job, "--out", str(out), *address]) == 0
        capsys.readouterr()
        coco = json.loads((out / "coco.json").read_text())
        return [
            (each["category_id"], each["present"], type(each["segmentation"]))
            for each in coco["annotations"]
        ]

    assert main(["register", *support, *address]) == 0
    session = capsys.readouterr().out.strip()
    for command in ("label", "segment", "job"):
        kept = annotations(command, "--threshold", "0", "--absent", "keep")
        assert {present for _, present, _ in kept} == {True, False}
        assert annotations(command, "--threshold", "0") == [(2, True, dict)]
        assert annotations(command) == [(2, True, dict)] * 2
        assert annotations(command, "--instances", "class") == [(2, True, dict)]
        assert annotations(command, "--min-area", "400") == [(2, True, dict)]
        assert annotations(command, "--segmentation", "polygon") == [(2, True, list)] * 2


def test_warnings_of_shots_name_their_files(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a session that has shots of the class already, and in requests of 16 shots."""
    beside(tmp_path / "s", [picture(seed=seed) for seed in range(20)])
    shot = picture(seed=18)
    (tmp_path / "s/18.thing.png").write_bytes(png((~shot.mask).astype(np.uint8) * 255))
    for name in ("", ".thing"):  # one of the first request comes twice
        twice = (tmp_path / f"s/0{name}.png").read_bytes()
        (tmp_path / f"s/1{name}.png").write_bytes(twice)
    told = "thing: 18.png: the mask seems to mark the background instead of the object"
    options = ["--support", str(tmp_path / "s"), "--url", url]
    assert main(["register", *options]) == 0
    first = capsys.readouterr()
    session = first.out.strip()
    assert first.err.splitlines().count(told) == 1
    assert "thing: 1.png: the same image and mask as 0.png; it adds nothing" in first.err
    assert "in the mask of 18.png." in first.err
    assert main(["register", *options, "--session", session]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert told in lines
    # In the order of the folder, where 10.png comes before 2.png, 18 is the tenth.
    assert "thing: shots[10]: " + told.removeprefix("thing: 18.png: ") in lines


def test_shots_that_are_there_already_are_told(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside(tmp_path / "s", [picture(), picture(seed=1)])
    command = ["register", "--support", str(tmp_path / "s"), "--url", url]
    kept = "thing: 2 shots from before kept; --replace replaces them"
    assert main(command) == 0
    told = capsys.readouterr()
    assert kept not in told.err
    assert main([*command, "--session", told.out.strip()]) == 0
    assert capsys.readouterr().err.splitlines()[0] == kept
    assert main([*command, "--session", told.out.strip(), "--replace"]) == 0
    assert "from before" not in capsys.readouterr().err


def test_files_of_other_formats_are_told(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FSS_ENGINE", "fake")
    beside(tmp_path / "s", [picture()])
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.heic", "c.HEIC", "d.gif", "noext", "._e.heic"):
        (photos / name).write_bytes(picture().image_png)
    skipped = (
        "4 files skipped, not JPEG, PNG, WebP, BMP or TIFF: "
        ".heic (2), .gif (1), without a suffix (1)"
    )
    support, out = ["--support", str(tmp_path / "s")], str(tmp_path / "out")
    assert main(["label", str(photos), *support, "--out", out]) == 0
    assert {skipped, "thing: 1 shot"} <= set(capsys.readouterr().err.splitlines())
    assert main(["register", *support, "--url", url]) == 0
    session = ["--session", capsys.readouterr().out.strip(), "--url", url]
    masks = str(tmp_path / "masks")
    assert main(["segment", str(photos), "--out", masks, *session]) == 0
    summary = f"1 image segmented; results are in {masks}"
    assert capsys.readouterr().err.splitlines() == [skipped, summary]
    main(["job", "create", str(photos), *session])
    assert skipped in capsys.readouterr().err
    (photos / "a.png").unlink()
    kinds = "(JPEG, PNG, WebP, BMP or TIFF)"
    assert main(["segment", str(photos), "--out", masks, *session]) == 2
    assert f"no image at {photos} {kinds}" in capsys.readouterr().err
    assert main(["label", str(photos), *support, "--out", out]) == 2
    assert f"holds no image to label {kinds}" in capsys.readouterr().err
    assert main(["job", "create", str(photos), *session]) == 2
    assert f"there is no image to segment {kinds}" in capsys.readouterr().err


def test_links_that_lead_nowhere_fail_and_links_to_folders_are_told(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FSS_ENGINE", "fake")
    beside(tmp_path / "s", [picture()])
    photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    for folder in (photos, elsewhere):
        folder.mkdir()
        (folder / "a.png").write_bytes(picture().image_png)
    (photos / "lost.jpg").symlink_to("../not-fetched")
    (photos / "more").symlink_to(elsewhere)
    linked = f"1 link to folders not followed: {photos / 'more'}"
    lost = "lost.jpg: it is a link to a file that is not there"
    support, out = ["--support", str(tmp_path / "s")], ["--out", str(tmp_path / "out")]
    assert main(["label", str(photos), *support, *out, "--recursive"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert {linked, lost, "1 of 2 failed", "1 image labelled"} <= {
        line.partition("; look")[0] for line in told
    }
    assert main(["register", *support, "--url", url]) == 0
    session = ["--session", capsys.readouterr().out.strip(), "--url", url]
    for given in (photos, photos / "*.*g", photos / "lost.jpg"):
        assert main(["segment", str(given), *session, "--out", str(tmp_path / "masks")]) == 1
        told = capsys.readouterr().err.splitlines()
        assert f"{photos}/{lost}" in told
        assert (linked in told) == (given == photos)
    assert main(["job", "create", str(photos), *session]) == 2
    assert capsys.readouterr().err.splitlines() == [linked, f"{photos}/{lost}"]


def test_two_images_of_one_stem_are_told(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FSS_ENGINE", "fake")
    beside(tmp_path / "s", [picture()])
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.bmp", "a.png", "b.png"):
        (photos / name).write_bytes(picture().image_png)
    told = "labels of png and yolo that are not called like their images: 1 (a_png of a.png)."
    support, out = ["--support", str(tmp_path / "s")], ["--out", str(tmp_path / "out")]
    assert main(["label", str(photos), *support, *out, "--format", "yolo"]) == 0
    assert told in capsys.readouterr().err
    assert main(["label", str(photos), *support, *out, "--format", "coco"]) == 0
    assert "not called like" not in capsys.readouterr().err
    assert main(["register", *support, "--url", url]) == 0
    session = ["--session", capsys.readouterr().out.strip(), "--url", url]
    assert main(["segment", str(photos), *session, "--out", str(tmp_path / "masks")]) == 0
    assert told in capsys.readouterr().err


def test_a_full_disk_is_told_with_its_place() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    message = r"^out: No space left on device$"
    with pytest.raises(CommandError, match=message), client_errors_as_messages(Path("out")):
        raise full


def test_a_port_that_is_taken_is_told_before_a_network_is_loaded(url: str) -> None:
    port = str(httpx.URL(url).port)
    run = subprocess.run(
        [sys.executable, "-m", "service"],
        capture_output=True,
        text=True,
        env=os.environ | {"FSS_ENGINE": "fake", "FSS_JOBS_DIR": "", "FSS_PORT": port},
        timeout=60,
    )
    assert run.returncode == 1
    assert run.stderr == f"port {port} of 127.0.0.1 is in use; set FSS_PORT to another\n"


def test_a_device_that_does_not_work_is_told_in_a_line(tmp_path: Path, tiny_bundle: Path) -> None:
    """Without the traceback and the warnings that other programs find in a log."""
    beside(tmp_path / "s", [picture()])
    environment = os.environ | {"FSS_BUNDLE": str(tiny_bundle), "FSS_DEVICES": "cuda:99"}

    def fss(*command: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "service", *command]
        run = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120)
        assert "Traceback" not in run.stderr
        assert "warn" not in run.stderr.lower()
        assert "[W:" not in run.stderr
        return run

    doctor = fss("doctor")
    assert doctor.returncode == 1
    assert re.search(r"^bad +bundle .*cuda:99", doctor.stdout, re.MULTILINE)
    folder = str(tmp_path / "s")
    labelled = fss("label", folder, "--support", folder, "--out", str(tmp_path / "out"))
    assert labelled.returncode == 1
    assert re.search(r"^the engine failed: .*cuda:99", labelled.stderr, re.MULTILINE)


def test_choices_of_the_command_line_are_those_of_the_service() -> None:
    assert [each.value for each in FormatName] == list(FORMATS)
    ours = {
        "mode": LookMode,
        "absent": Absent,
        "instances": Instances,
        "segmentation": CocoSegmentation,
    }
    for name, theirs in ours.items():
        choice = inspect.signature(label).parameters[name].annotation
        assert get_args(get_args(choice)[0]) == get_args(theirs)


def test_waiting_for_a_job_that_was_cancelled_fails(capsys: pytest.CaptureFixture[str]) -> None:
    job: dict[str, object] = {"job_id": "j", "state": "cancelled", "total": 3, "done": 1}
    job |= {"failed": 0, "created": "2026-01-01T00:00:00Z"}
    stream = f"id: 1\r\nevent: end\r\ndata: {json.dumps(job)}\r\n\r\n".encode()
    script = Scripted((200, stream, {"Content-Type": "text/event-stream"}), (200, job, {}))
    with scripted(script) as address:
        assert main(["job", "wait", "j", "--url", address]) == 1
    told = capsys.readouterr()
    assert told.out == "cancelled: 1 of 3 done\n"
    assert "the job was cancelled; `fss job resume j` goes on with it" in told.err


def test_an_image_of_no_use_is_named_and_the_rest_is_done(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside(tmp_path / "s", [picture()])
    assert main(["register", "--support", str(tmp_path / "s"), "--url", url]) == 0
    session = capsys.readouterr().out.strip()
    broken, good = tmp_path / "broken.png", tmp_path / "good.png"
    broken.write_bytes(picture().image_png[:300])
    good.write_bytes(picture().image_png)
    out = tmp_path / "out"
    pattern = str(tmp_path / "*o*.png")
    command = ["segment", pattern, "--session", session, "--out", str(out), "--url", url]
    assert main(command) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"{broken}: the PNG file is truncated")
    assert "1 of 2 failed" in message
    assert [path.name for path in out.glob("masks/labels/*")] == ["good.png"]
    command = ["segment", str(good), "--session", session, "--out", str(good), "--url", url]
    assert main(command) == 1
    assert "good.png/masks/labels: Not a directory" in capsys.readouterr().err


@pytest.fixture
def two_classes(tmp_path: Path) -> Path:
    """A support folder: two shots of `blé`, named as macOS does, and one of `thing`."""
    folder = tmp_path / "s"
    beside(folder, [picture(seed=2)])
    for number in range(2):
        shot = picture(BLUE, seed=number)
        (folder / f"b{number}.png").write_bytes(shot.image_png)
        name = unicodedata.normalize("NFD", "blé")
        (folder / f"b{number}.{name}.png").write_bytes(shot.mask_png)
    return folder


def test_a_class_keeps_its_number_from_run_to_run(
    url: str, tmp_path: Path, two_classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = unicodedata.normalize("NFC", "blé")
    query, out = tmp_path / "q.png", tmp_path / "out"
    query.write_bytes(picture().image_png)

    def register(*what: str) -> str:
        assert main(["register", *what, "--support", str(two_classes), "--url", url]) == 0
        return capsys.readouterr().out.strip()

    def segment(session: str, *classes: str) -> int:
        options = [word for each in classes for word in ("--class", each)]
        command = ["segment", str(query), "--session", session, "--out", str(out), "--url", url]
        return main([*command, *options, "--format", "png", "--format", "yolo"])

    session = register("thing")
    assert segment(session) == 0
    register(unicodedata.normalize("NFD", name), "--session", session)
    assert segment(session, unicodedata.normalize("NFD", name)) == 0
    assert (out / "masks/classes.csv").read_text() == f"index,name\n1,thing\n2,{name}\n"
    other = register()  # in the order of the folder
    before = (out / "masks/labels/q.png").read_bytes()
    assert segment(other) == 2
    assert "classes.csv numbers other classes than the session" in capsys.readouterr().err
    assert (out / "masks/labels/q.png").read_bytes() == before


SESSION: dict[str, object] = {
    "session_id": "s",
    "model": "m",
    "classes": [{"class_name": "thing", "shots": 1, "adapted": False}],
    "created": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-02T00:00:00Z",
}
NOTHING_FOUND = {"height": 120, "width": 160, "classes": []}


def test_what_was_found_is_written_where_the_service_goes_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer: dict[str, object] = {"session_id": "s", "model": "m", "results": [NOTHING_FOUND] * 16}
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number in range(80):
        (photos / f"{number:02}.png").write_bytes(picture().image_png)
    # No more than three are asked until the first one is answered: it is among them.
    found: list[Answer] = [(200, answer, {})] * 3
    gone: Answer = (401, problem(401, "unauthorized"), {})
    with scripted(Scripted((200, SESSION, {}), *found, gone)) as address:
        command = ["segment", str(photos), "--session", "s", "--out", str(out), "--url", address]
        assert main([*command, "--format", "coco", "--format", "png"]) == 1
    done = re.search(r"(\d+) of 80 images are done, and written", capsys.readouterr().err)
    assert done is not None
    assert len(json.loads((out / "coco.json").read_text())["images"]) == int(done[1]) > 0
    assert (out / "masks/classes.csv").read_text() == "index,name\n1,thing\n"


def test_no_coco_file_loses_its_images_to_another_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone: Answer = (401, problem(401, "unauthorized"), {})
    out, photos = tmp_path / "out", [tmp_path / f"{number:02}.png" for number in range(120)]
    for photo in photos:
        photo.write_bytes(picture().image_png)

    def segment(photos: list[Path], *sizes: int) -> int:
        answers: list[Answer] = [
            (200, {"session_id": "s", "model": "m", "results": [NOTHING_FOUND] * size}, {})
            for size in sizes
        ]
        with scripted(Scripted((200, SESSION, {}), *answers, gone)) as address:
            names = [str(photo) for photo in photos]
            options = ["--session", "s", "--out", str(out), "--url", address, "--format", "coco"]
            return main(["segment", *names, *options])

    def images() -> list[str]:
        return [each["file_name"] for each in json.loads((out / "coco.json").read_text())["images"]]

    assert segment(photos[:2], 2) == 0
    assert segment(photos[2:4], 2) == 2
    assert "coco.json holds other images, such as 00.png" in capsys.readouterr().err
    assert images() == ["00.png", "01.png"]
    assert segment(photos[:3], 3) == 0  # more of them
    assert images() == ["00.png", "01.png", "02.png"]
    # So many requests that the last to be answered is not the first that was made.
    assert segment([*photos[3:], *photos[:3]], *[16] * 7) == 1
    assert "coco.json was left as it was" in capsys.readouterr().err
    assert images() == ["00.png", "01.png", "02.png"]
    assert {path.name for path in out.iterdir()} == {"coco.json"}


def test_a_coco_file_is_kept_where_one_of_its_images_fails_now(
    url: str, tmp_path: Path, two_classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["register", "--support", str(two_classes), "--url", url]) == 0
    session, out = capsys.readouterr().out.strip(), tmp_path / "out"
    photos = [tmp_path / name for name in ("a.png", "b.png")]
    for photo in photos:
        photo.write_bytes(picture().image_png)
    options = ["--session", session, "--out", str(out), "--url", url, "--format", "coco"]
    command = ["segment", *map(str, photos), *options]
    assert main(command) == 0
    before = (out / "coco.json").read_bytes()
    photos[1].write_bytes(b"no image")
    assert main(command) == 1
    errors = capsys.readouterr().err
    assert "b.png" in errors
    assert "coco.json was left as it was" in errors
    assert (out / "coco.json").read_bytes() == before


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many attempts as ever, without the seconds between them."""
    monkeypatch.setattr("service.client.transport.Retries", partial(Retries, first_wait_s=0.01))


@pytest.mark.usefixtures("_impatient")
def test_shots_are_looked_at_before_any_is_sent(
    tmp_path: Path, two_classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["register", "--support", str(two_classes), "--url", "http://127.0.0.1:9"]
    image, mask = two_classes / "0.png", two_classes / "0.thing.png"
    good, name = image.read_bytes(), unicodedata.normalize("NFC", "blé")
    image.write_bytes(good[:300])
    assert main(command) == 2
    assert f"thing: {image}: " in capsys.readouterr().err
    image.write_bytes(good)
    mask.write_bytes(picture(height=50).mask_png)
    assert main(command) == 2
    assert f"thing: {mask}: the mask is 50 x 160 pixels" in capsys.readouterr().err
    mask.rename(two_classes / "0. thing.png")
    assert main(command) == 2
    assert "' thing' cannot be the name of a class" in capsys.readouterr().err
    (two_classes / "0. thing.png").unlink()
    assert main(command) == 1  # now it is asked
    assert f"{name}: nothing answers at" in capsys.readouterr().err


def test_what_is_registered_is_told_where_the_rest_fails(
    two_classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = unicodedata.normalize("NFC", "blé")
    shown: dict[str, object] = {"session_id": "the-session", "model": "m", "class_name": name}
    shown |= {"shots": 2, "adapted": False, "warnings": [], "report": None}
    shown |= {"created": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z"}
    refused: dict[str, object] = {**problem(422, "full_mask"), "location": "masks[0]"}
    with scripted(Scripted((200, shown, {}), (422, refused, {}))) as address:
        assert main(["register", "--support", str(two_classes), "--url", address]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert f"thing: {two_classes / '0.thing.png'}: " in told.err
    assert f"session the-session has by then: {name} (2 shots)" in told.err


def test_two_supports_of_one_name_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for make, images in ((beside, "s"), (labelled, "t/images")):
        make(tmp_path / images.partition("/")[0], [picture()])
        Image.new("RGB", (4, 4)).save(tmp_path / images / "0.webp")
        support = str(tmp_path / images.partition("/")[0])
        assert main(["register", "--support", support, "--url", "http://127.0.0.1:9"]) == 2
        assert f"two images are called {tmp_path / images / '0'}" in capsys.readouterr().err


def test_a_label_map_of_too_many_pixels_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    labelled(tmp_path / "s", [picture()])
    command = ["register", "--support", str(tmp_path / "s"), "--url", "http://127.0.0.1:9"]
    assert main(command) == 2
    assert "0.png has more pixels than a label map may have" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["photos/out", "photos", "."])
@pytest.mark.parametrize("pattern", ["photos", "photos/**/*.png", "photos/**/*n*"])
def test_what_is_hidden_and_what_was_written_before_is_not_segmented(
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pattern: str,
    out: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    beside(tmp_path / "s", [picture()])
    for folder in ("photos/inside", "photos/.cache"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("a.png", "._a.png", "inside/b.png", ".cache/c.png"):
        (tmp_path / "photos" / name).write_bytes(picture().image_png)
    assert main(["register", "--support", "s", "--url", url]) == 0
    session = capsys.readouterr().out.strip()
    for _ in range(2):
        command = ["segment", pattern, "--session", session, "--out", out, "--json", "--url", url]
        assert main(command) == 0
        lines = capsys.readouterr().out.splitlines()
        images = [json.loads(line)["image"] for line in lines]
        assert images == ["photos/a.png", "photos/inside/b.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["register"], "name a class"),
        (["register", "thing", "--image", "a.jpg"], "1 images, but 0 masks"),
        (["register", "thing", "--image", "a.jpg", "--mask", "a.png"], "a.jpg: No such file"),
        (["register", "--support", "nowhere"], "nowhere is no folder"),
        (["register", "--support", "."], "holds no supports"),
        (["register", "--no-such-option"], "No such option"),
        (["segment", "nothing*.jpg", "--session", "s", "--out", "out"], "no image at nothing"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("_impatient")
def test_a_service_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(picture().image_png)
    address = f"http://127.0.0.1:{unused_port()}"
    command = ["segment", str(tmp_path / "a.png"), "--session", "s", "--out", str(tmp_path / "o")]
    assert main([*command, "--url", address]) == 1
    assert "nothing answers at" in capsys.readouterr().err


def test_the_key_of_a_client_is_no_setting_of_the_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FSS_CLIENT_KEY", "secret")
    monkeypatch.setenv("FSS_CLIENT_URL", "http://elsewhere")
    assert main(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out)["openapi"]


def test_help_comes_at_once() -> None:
    """Before anything that is slow to import."""
    look = "import sys; from service.cli import main; main(['--help']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert "register" in run.stdout
    slow = {"numpy", "pydantic", "httpx", "fastapi", "onnxruntime", "cv2"}
    assert not slow & set(run.stdout.split())


Doctor = Callable[[dict[str, str]], tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """`fss doctor` with variables of the environment: its status, and its findings."""

    def ask(environment: dict[str, str]) -> tuple[int, dict[str, dict[str, str]]]:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            status = main(["doctor", "--json"])
        return status, {each["about"]: each for each in json.loads(capsys.readouterr().out)}

    return ask


def test_doctor_finds_a_healthy_service(doctor: Doctor, tiny_bundle: Path) -> None:
    status, findings = doctor({"FSS_BUNDLE": str(tiny_bundle), "FSS_DEVICES": "cpu"})
    assert status == 0
    assert "works on cpu in fp32" in findings["bundle"]["text"]
    assert "CPUExecutionProvider" in findings["onnxruntime"]["text"]


def test_doctor_finds_what_is_broken(doctor: Doctor, tmp_path: Path) -> None:
    redis = f"redis://:hunter2@127.0.0.1:{unused_port()}"
    status, findings = doctor({"FSS_BUNDLE": str(tmp_path), "FSS_STORE_URL": redis})
    assert status == 1
    assert (findings["bundle"]["verdict"], findings["sessions"]["verdict"]) == ("bad", "bad")
    assert "hunter2" not in str(findings)


def test_doctor_reads_the_keys(doctor: Doctor, tmp_path: Path, tiny_bundle: Path) -> None:
    environment = {"FSS_BUNDLE": str(tiny_bundle), "FSS_DEVICES": "cpu"}
    assert doctor(environment)[1]["keys"]["verdict"] == "note"
    keys = tmp_path / "keys.txt"
    environment["FSS_API_KEYS_FILE"] = str(keys)
    keys.write_text(f"{key_line('lab', new_key())}\n{key_line('line', new_key())}\n")
    assert doctor(environment)[1]["keys"] == {
        "about": "keys",
        "verdict": "ok",
        "text": "2 in keys.txt",
    }
    keys.write_text("lab not-a-hash\n")
    status, findings = doctor(environment)
    assert (status, findings["keys"]["verdict"]) == (1, "bad")


def test_doctor_looks_at_the_variables_of_traces(doctor: Doctor) -> None:
    environment = {"FSS_ENGINE": "fake"}
    assert doctor(environment)[1]["traces"]["verdict"] == "note"
    environment["FSS_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    assert doctor(environment)[1]["traces"]["verdict"] == "ok"
    status, findings = doctor(environment | {"OTEL_BSP_SCHEDULE_DELAY": "0"})
    assert (status, findings["traces"]["verdict"]) == (1, "bad")
    assert findings["traces"]["text"].startswith("OTEL_*: schedule_delay")


def test_doctor_looks_at_the_directory_of_jobs(
    doctor: Doctor, tmp_path: Path, tiny_bundle: Path
) -> None:
    environment = {"FSS_BUNDLE": str(tiny_bundle), "FSS_DEVICES": "cpu"}

    def verdict(directory: str) -> tuple[int, str, str]:
        status, findings = doctor({**environment, "FSS_JOBS_DIR": directory})
        return status, findings["jobs"]["verdict"], findings["jobs"]["text"]

    assert verdict("") == (0, "note", "switched off: FSS_JOBS_DIR is empty")
    jobs = tmp_path / "jobs"
    assert verdict(str(jobs)) == (0, "ok", f"kept in {jobs}")
    assert not jobs.exists()  # looked at, and left as it is
    (jobs / "files" / "of-another").mkdir(parents=True)
    assert (jobs / "files" / "of-another").exists()
    store = JobStore(jobs)  # as a service that runs has it
    status, told, text = verdict(str(jobs))
    store.close()
    assert (status, told) == (0, "note")
    assert "another process" in text
    assert verdict(str(jobs)) == (0, "ok", f"kept in {jobs}")
    (tmp_path / "file").touch()
    status, told, text = verdict(str(tmp_path / "file"))
    assert (status, told) == (1, "bad")
    assert text.startswith(f"{tmp_path / 'file'}: the directory of jobs cannot be made")


def test_doctor_looks_at_every_bundle(tmp_path: Path, tiny_bundle: Path) -> None:
    bundles = tmp_path / "bundles"
    write_tiny_bundle(bundles / "newer", revision="2")
    write_tiny_bundle(bundles / "same", revision="2")
    write_tiny_bundle(bundles / "torn", revision="3")
    (bundles / "torn" / "head.onnx").write_bytes(b"")
    run = subprocess.run(
        [sys.executable, "-m", "service", "doctor"],
        capture_output=True,
        text=True,
        env=os.environ
        | {"FSS_BUNDLE": str(tiny_bundle), "FSS_BUNDLES": str(bundles), "FSS_DEVICES": "cpu"},
        timeout=120,
    )
    found = [line for line in run.stdout.splitlines() if line[5:].startswith("bundle ")]
    assert [line[:5].strip() for line in found] == ["ok", "ok", "bad", "bad"]
    assert "newer: tiny@2 works on cpu" in found[1]
    assert "same: tiny@2 comes from another directory" in found[2]
    assert "torn: graph head does not match the hash" in found[3]
    assert run.returncode == 1


def test_doctor_tells_wrong_settings_in_plain_words(doctor: Doctor) -> None:
    status, findings = doctor({"FSS_DEVICES": "bogus", "FSS_PORT": "none"})
    assert (status, findings["settings"]["verdict"]) == (1, "bad")
    told = findings["settings"]["text"].removeprefix("the service cannot start: ")
    port, devices = told.split("; ")
    assert port.startswith("FSS_PORT: Input should be a valid integer")
    assert devices == (
        "FSS_DEVICES: must be auto, or devices such as cpu, cpu:0,cpu:1 or cuda:0,cuda:1"
    )


@pytest.mark.parametrize(
    ("found", "providers", "missing", "devices", "verdict", "text"),
    [
        (Gpus(0, None), [], [], "auto", "note", "no NVIDIA driver"),
        (Gpus(0, "560.1"), [], [], "auto", "note", "shows no GPU"),
        (Gpus(1, "560.1"), ["CPUExecutionProvider"], [], "auto", "note", "built for CPU"),
        (Gpus(1, "560.1"), ["CUDAExecutionProvider"], [], "cpu", "note", "FSS_DEVICES=cpu"),
        (Gpus(1, "560.1"), ["CUDAExecutionProvider"], ["libcudnn"], "auto", "bad", "libcudnn"),
        (Gpus(2, "560.1"), ["CUDAExecutionProvider"], [], "cuda:0", "ok", "2, driver 560.1"),
    ],
)
def test_doctor_says_why_a_gpu_is_not_used(
    found: Gpus, providers: list[str], missing: list[str], devices: str, verdict: str, text: str
) -> None:
    finding = why_no_gpu(found, providers, lambda: missing, devices)
    assert finding.verdict == verdict
    assert text in finding.text
