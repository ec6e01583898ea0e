"""`fss label` as a person types it: the server's masks, through stops, changes and bad files."""

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from model.runtime import BundleRuntime
from service.cli import main
from service.engine import FakeEngine, Predictions
from service.errors import InferenceError
from service.formats import FolderSink
from service.imaging import encode_rle
from service.offline import Ledger, OfflineError, RunFailedError
from service.offline.card import draw_card
from service.offline.work import register_supports
from service.schemas import ClassResult, ImageResult
from service.sessions import PixelBudget
from tests.service.lost_device import lose_device
from tests.service.pictures import BLUE, RED, iou, picture, png
from tests.service.processes import serving

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Label = Callable[..., int]
SIZES = ((120, 160), (200, 90), (64, 64), (301, 407), (120, 160), (33, 250))


@pytest.fixture
def support(tmp_path: Path) -> Path:
    """Seventeen shots of one class, which are two requests, and two of another."""
    folder = tmp_path / "supports"
    folder.mkdir()
    for number in range(19):
        shot = picture(RED if number < 17 else BLUE, seed=number)
        (folder / f"{number:02}.png").write_bytes(shot.image_png)
        name = "red" if number < 17 else "blue"
        (folder / f"{number:02}.{name}.png").write_bytes(shot.mask_png)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of many sizes; the last of them lies in a folder inside."""
    folder = tmp_path / "photos"
    (folder / "inside").mkdir(parents=True)
    for number, (height, width) in enumerate(SIZES):
        box = (height // 8, width // 8, height // 2, width // 2)
        shot = picture(BLUE if number % 2 else RED, height=height, width=width, box=box, seed=40)
        place = folder / ("inside" if number == len(SIZES) - 1 else "")
        (place / f"{number}.png").write_bytes(shot.image_png)
    return folder


@pytest.fixture
def label(tiny_bundle: Path, support: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Label:
    """The command on the photographs, with the bundle of the tests."""
    monkeypatch.setenv("FSS_BUNDLE", str(tiny_bundle))
    monkeypatch.setenv("FSS_DEVICES", "cpu")

    def run(out: Path, *options: str) -> int:
        command = ["label", str(photos), "--support", str(support), "--out", str(out)]
        return main([*command, "--recursive", *options])

    return run


def results(out: Path) -> dict[str, bytes]:
    """All files but the ledger and the sheet."""
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in files.items()
        if not name.startswith((".fss-label", "contact-sheet"))
    }


def test_masks_are_those_of_a_server_bit_for_bit(
    label: Label,
    tiny_bundle: Path,
    support: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    formats = [word for name in ("png", "coco", "yolo", "geojson") for word in ("--format", name)]
    assert label(tmp_path / "offline", *formats) == 0
    environment = {"FSS_BUNDLE": str(tiny_bundle), "FSS_DEVICES": "cpu"}
    with serving(tmp_path / "log", environment) as server:
        address = ["--url", str(server.client.base_url)]
        assert main(["register", "--support", str(support), *address]) == 0
        session = capsys.readouterr().out.strip()
        command = ["segment", str(photos), "--session", session, "--out", str(tmp_path / "online")]
        assert main([*command, *formats, *address]) == 0
    offline, online = results(tmp_path / "offline"), results(tmp_path / "online")
    assert len(offline) == 3 * len(SIZES) + 3
    assert offline == online
    coco = COCO(str(tmp_path / "offline/coco.json"))
    assert [coco.imgs[number]["file_name"] for number in (1, 6)] == ["0.png", "inside/5.png"]
    with Image.open(tmp_path / "offline/masks/labels/0.png") as image:
        labels = np.asarray(image)
    truth = picture(RED, box=(15, 20, 60, 80), seed=40).mask
    # Classes are numbered by name: blue, red.
    assert iou(labels == 2, truth) > 0.8


def test_a_run_that_was_killed_goes_on_and_ends_alike(
    label: Label, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert label(whole) == 0
    ledger = (whole / ".fss-label/ledger.jsonl").read_bytes()
    lines = ledger.splitlines(keepends=True)
    (stopped / ".fss-label").mkdir(parents=True)
    # As a process leaves it that is killed while it writes the fourth result.
    torn = b"".join(lines[:4]) + lines[4][:100]
    (stopped / ".fss-label/ledger.jsonl").write_bytes(torn)
    capsys.readouterr()
    assert label(stopped) == 0
    assert "3 of 6 images are done already" in capsys.readouterr().err
    assert results(stopped) == results(whole)
    again = (stopped / ".fss-label/ledger.jsonl").read_bytes()
    assert len(again.splitlines()) == 7
    assert again.startswith(b"".join(lines[:4]))


def test_other_options_and_supports_begin_anew_and_say_so(
    label: Label, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(out) == 0
    before = results(out)
    capsys.readouterr()
    assert label(out, "--threshold", "0.99", "--mode", "whole") == 0
    message = capsys.readouterr().err
    assert "differs in mode, threshold: all images are labelled again" in message
    assert results(out).keys() == before.keys()
    assert results(out) != before
    (support / "00.red.png").write_bytes((support / "01.red.png").read_bytes())
    (support / "18.blue.png").unlink()
    assert label(out, "--threshold", "0.99", "--mode", "whole") == 0
    assert "differs in supports" in capsys.readouterr().err


def test_specks_are_left_out_without_labelling_again(
    label: Label, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(out) == 0
    before = results(out)
    capsys.readouterr()
    assert label(out, "--min-area", "100000") == 0
    assert "6 of 6 images are done already" in capsys.readouterr().err
    after = results(out)
    assert after.pop("coco.json") != before.pop("coco.json")
    assert after == before


def test_a_run_that_cannot_begin_costs_no_earlier_one(
    label: Label, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(out) == 0
    (support / "odd.png").write_bytes(png(np.zeros((9, 9, 3), np.uint8)))
    (support / "odd.red.png").write_bytes(png(np.ones((5, 5), np.uint8)))
    assert label(out) != 0
    for each in support.glob("odd*"):
        each.unlink()
    capsys.readouterr()
    assert label(out) == 0
    assert "6 of 6 images are done already" in capsys.readouterr().err


@pytest.mark.parametrize(("setting", "value"), [("FSS_THRESHOLD", "0.99"), ("FSS_MAX_TILES", "4")])
def test_other_settings_that_decide_masks_begin_anew(
    label: Label,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    value: str,
) -> None:
    assert label(tmp_path / "out", "--threshold", "model") == 0
    monkeypatch.setenv(setting, value)
    capsys.readouterr()
    assert label(tmp_path / "out", "--threshold", "model") == 0
    assert f"differs in {setting}: all images are labelled again" in capsys.readouterr().err


def test_masks_of_other_options_go_though_a_run_was_stopped_before_it_wrote_any(
    label: Label, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert label(out, "--format", "png", "--format", "yolo") == 0
    old = (out / "masks/labels/0.png").read_bytes()

    def stop(*_: object) -> None:
        raise OfflineError("stopped before it exports")

    with monkeypatch.context() as stopping:
        stopping.setattr("service.offline.run.export_results", stop)
        assert label(out, "--format", "yolo", "--threshold", "0.99") == 2
    assert (out / "masks/labels/0.png").read_bytes() == old
    assert label(out, "--format", "yolo", "--threshold", "0.99") == 0
    assert not (out / "masks/labels/0.png").exists()
    assert (out / "yolo/labels/0.txt").exists()
    assert label(out, "--format", "coco", "--threshold", "0.99") == 0
    assert (out / "yolo/labels/0.txt").exists()


def test_a_list_of_results_that_was_changed_removes_nothing_elsewhere(
    label: Label, tmp_path: Path
) -> None:
    out, own = tmp_path / "out", tmp_path / "own.txt"
    own.write_text("of the user")
    assert label(out, "--format", "geojson") == 0
    with (out / ".fss-label/files.txt").open("a") as listing:
        listing.write(f"\n../own.txt\n{own}\ngeojson/../../own.txt\n\0")
    assert label(out, "--format", "yolo", "--absent", "keep") == 0
    assert own.exists()
    assert not list((out / "geojson").glob("*.geojson"))


def test_files_that_were_corrected_by_hand_are_kept_and_named(
    label: Label, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    formats = ["--format", "png", "--format", "yolo"]
    assert label(out, *formats) == 0
    assert "changed since a run" not in capsys.readouterr().err
    whole, corrected = results(out), [out / "masks/labels/0.png", out / "yolo/labels/1.txt"]
    for path in corrected:
        path.write_bytes(b"of the user")
    (out / "masks/labels/2.png").unlink()
    for option, shown in (
        ("model", "2 files (masks/labels/0.png, yolo/labels/1.txt)"),
        ("0.99", "2 files (masks/labels/0.png, yolo/labels/1.txt)"),
    ):
        assert label(out, *formats, "--threshold", option) == 0
        told = f"changed since a run wrote them, and left so: {shown}; delete one to have it anew"
        assert told in capsys.readouterr().err
        assert [path.read_bytes() for path in corrected] == [b"of the user"] * 2
        assert results(out).keys() == whole.keys()
    (photos / "0.png").unlink()
    corrected[1].unlink()
    assert label(out, *formats) == 0
    assert "1 file (masks/labels/0.png); delete one" in capsys.readouterr().err
    assert corrected[0].read_bytes() == b"of the user"
    assert corrected[1].read_bytes() == whole["yolo/labels/1.txt"]
    assert not (out / "yolo/labels/0.txt").exists()


@pytest.mark.parametrize("threshold", ["0.9", "model"])
def test_files_of_a_run_that_was_killed_while_it_wrote_are_known_to_the_next(
    label: Label,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    threshold: str,
) -> None:
    out, formats = tmp_path / "out", ["--format", "png", "--format", "yolo"]
    assert label(out, *formats, "--threshold", "model") == 0
    settle = FolderSink._settle

    def kill(sink: FolderSink, path: str, part: Path, target: Path) -> None:
        settle(sink, path, part, target)
        if path == "masks/labels/3.png":
            raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr(FolderSink, "_settle", kill)
        assert label(out, *formats, "--threshold", "0.99") == 130
    (photos / "0.png").unlink()
    (photos / "9.png").write_bytes((photos / "1.png").read_bytes())
    capsys.readouterr()
    assert label(out, *formats, "--threshold", threshold) == 0
    assert "changed since a run" not in capsys.readouterr().err
    anew = tmp_path / "anew"
    assert label(anew, *formats, "--threshold", threshold) == 0
    assert results(out) == results(anew)


def test_what_a_run_wrote_first_goes_with_its_image_though_it_was_killed(
    label: Label, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr("service.offline.results.WrittenFiles.finish", kill)
        assert label(out, "--format", "png") == 130
    assert (out / "masks/labels/0.png").exists()
    (photos / "0.png").unlink()
    with (out / ".fss-label/files.txt").open("a") as listing:
        listing.write("\n0123\tmasks/labels")  # as of a line that was not written whole
    assert label(out, "--format", "png") == 0
    assert not (out / "masks/labels/0.png").exists()


def test_a_list_of_results_of_an_earlier_version_is_read(
    label: Label, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert label(out, "--format", "png") == 0
    listing = out / ".fss-label/files.txt"
    run, *lines = listing.read_text().split("\n")
    listing.write_text("\n".join([run, *(line.partition("\t")[2] for line in lines)]))
    (photos / "0.png").unlink()
    assert label(out, "--format", "png") == 0
    assert not (out / "masks/labels/0.png").exists()
    assert (out / "masks/labels/1.png").exists()


def test_a_class_without_shots_keeps_the_others_numbers(
    label: Label, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (support / "images").mkdir()
    (support / "labels").mkdir()
    (support / "classes.csv").write_text("index,name\n1,blue\n2,green\n3,red\n")
    for number, (name, index) in {1: ("red", 3), 17: ("blue", 1)}.items():
        (support / f"{number:02}.png").rename(support / f"images/{number}.png")
        with Image.open(support / f"{number:02}.{name}.png") as mask:
            labels = (np.asarray(mask) > 0) * np.uint8(index)
        Image.fromarray(labels).save(support / f"labels/{number}.png")
    out = tmp_path / "out"
    assert label(out, "--format", "png", "--format", "yolo", "--format", "coco") == 0
    told = capsys.readouterr().err
    assert "not looked for, since no label map holds them: green" in told
    assert "green: 0 shots" in told
    assert (out / "masks/classes.csv").read_text() == (support / "classes.csv").read_text()
    with Image.open(out / "masks/labels/0.png") as image:
        assert set(np.unique(np.asarray(image))) == {0, 3}
    assert (out / "yolo/labels/0.txt").read_text().startswith("2 ")
    (support / "classes.csv").write_text("index,name\n1,blue\n3,red\n")
    capsys.readouterr()
    assert label(out, "--format", "png") == 0
    told = capsys.readouterr().err
    assert "results have other numbers than classes.csv: red is 2, not 3" in told
    assert not (out / "coco.json").exists()


def test_an_image_that_changed_is_done_anew_and_one_that_is_gone_leaves_nothing(
    label: Label, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(out) == 0
    (photos / "0.png").write_bytes(picture(BLUE, height=50, width=70, box=(5, 5, 20, 20)).image_png)
    (photos / "1.png").unlink()
    own = out / "masks/labels/mine.png"
    own.write_bytes(b"of the user")
    capsys.readouterr()
    assert label(out) == 0
    assert "1 that changed, or failed before" in capsys.readouterr().err
    with Image.open(out / "masks/labels/0.png") as image:
        assert image.size == (70, 50)
    assert not (out / "masks/labels/1.png").exists()
    assert own.exists()
    assert label(out, "--format", "yolo") == 0
    assert (out / "masks/labels/0.png").exists()
    assert label(out, "--format", "yolo", "--absent", "keep") == 0
    assert not (out / "masks/labels/0.png").exists()
    assert (out / "yolo/labels/0.txt").exists()
    assert own.exists()


def test_a_broken_image_is_named_at_the_end_and_stops_nothing(
    label: Label, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = (photos / "2.png").read_bytes()
    (photos / "2.png").write_bytes(good[:200])
    (photos / "empty.jpg").touch()
    out = tmp_path / "out"
    assert label(out, "--format", "png") == 1
    message = capsys.readouterr().err
    assert "2.png: " in message
    assert message.rstrip().endswith("2 of 7 failed")
    assert len(list(out.glob("masks/labels/**/*.png"))) == 5
    assert "could not be labelled" in (out / "contact-sheet.html").read_text()
    (photos / "2.png").write_bytes(good)
    (photos / "empty.jpg").unlink()
    assert label(out, "--format", "png") == 0
    assert (out / "masks/labels/2.png").exists()


def test_no_image_fails_because_the_device_does(
    label: Label, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = list[list[BundleRuntime]]()

    async def register_and_lose_device(*arguments: Any) -> tuple[str, list[str]]:
        registered = await register_supports(*arguments)
        failed.append(lose_device(monkeypatch))
        return registered

    with monkeypatch.context() as losing:
        losing.setattr("service.offline.run.register_supports", register_and_lose_device)
        assert label(tmp_path / "out") == 0
    assert failed[0]


def test_an_image_on_which_every_device_fails_is_named_in_the_end(
    label: Label,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = []

    async def fail(*_: object) -> Predictions:
        calls.append(1)
        raise InferenceError

    monkeypatch.setenv("FSS_ENGINE", "fake")
    monkeypatch.setattr(FakeEngine, "segment", fail)
    assert label(tmp_path / "out") == 1
    assert capsys.readouterr().err.rstrip().endswith("6 of 6 failed")
    assert len(calls) == 6 * 4


def test_names_that_are_no_utf_8_or_end_lines_are_names(
    label: Label, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = photos.with_name(os.fsdecode(b"\xe9t\xe9"))
    photos.rename(odd)
    photos.symlink_to(odd)  # the sheet has the folder's own name
    image = (photos / "0.png").read_bytes()
    (photos / os.fsdecode(b"caf\xe9.png")).write_bytes(image)
    (photos / "line\u2028own.png").write_bytes(image)
    out = tmp_path / "out"
    assert label(out, "--format", "png") == 0
    assert (out / "masks/labels/caf\ufffd.png").exists()
    assert (out / "masks/labels/line\u2028own.png").exists()
    (out / "own.png").write_bytes(b"of the user")
    (photos / "line\u2028own.png").unlink()
    assert label(out, "--format", "png") == 0
    assert not (out / "masks/labels/line\u2028own.png").exists()
    assert (out / "own.png").exists()
    (photos / os.fsdecode(b"caf\xe8.png")).write_bytes(image)
    capsys.readouterr()
    assert label(out) == 2
    assert "are called caf\ufffd.png; rename one" in capsys.readouterr().err


def test_a_name_that_no_class_may_have_is_told(
    label: Label, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (support / "18.blue.png").rename(support / "18. blue.png")
    assert label(tmp_path / "out") == 2
    message = "' blue' cannot be the name of a class: must not begin or end with a space"
    assert message in capsys.readouterr().err


def test_names_of_classes_as_macos_writes_them_are_those_of_the_service(
    label: Label, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (support / "17.blue.png").rename(support / unicodedata.normalize("NFD", "17.blé.png"))
    (support / "18.blue.png").rename(support / unicodedata.normalize("NFC", "18.blé.png"))
    for hidden in ("._17.png", "._17.blue.png", "._00.red.png"):
        (support / hidden).write_bytes(b"of macOS")
    out = tmp_path / "out"
    assert label(out, "--format", "coco") == 0, capsys.readouterr().err
    categories = json.loads((out / "coco.json").read_text())["categories"]
    assert [each["name"] for each in categories] == [unicodedata.normalize("NFC", "blé"), "red"]
    (support / os.fsdecode(b"17.\xe9.png")).write_bytes(b"of another system")
    capsys.readouterr()
    assert label(out) == 2
    assert "cannot be the name of a class: it is not UTF-8" in capsys.readouterr().err


def test_a_support_of_no_use_is_named(
    label: Label, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = support / "16.red.png"
    mask.write_bytes(png(np.zeros((120, 161), np.uint8)))
    assert label(tmp_path / "out") == 2
    assert f"red: {mask}: the mask is 120 x 161 pixels" in capsys.readouterr().err
    mask.write_bytes(picture(seed=16).mask_png)
    image = support / "18.png"
    image.write_bytes(image.read_bytes()[:300])
    assert label(tmp_path / "out") == 2
    assert f"blue: {image}: " in capsys.readouterr().err


@pytest.fixture
def doubtful(support: Path) -> str:
    """What is warned of: the mask of one shot marks the background, another shot comes twice."""
    shot = picture(BLUE, seed=17)
    (support / "17.blue.png").write_bytes(png((~shot.mask).astype(np.uint8) * 255))
    for name in ("", ".red"):
        twice = (support / f"03{name}.png").read_bytes()
        (support / f"16{name}.png").write_bytes(twice)
    return "blue: 17.png: the mask seems to mark the background instead of the object"


def test_warnings_of_supports_name_files_and_stay(
    label: Label, doubtful: str, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shown when the run begins, again when it has nothing left to do, and on the sheet."""
    out = tmp_path / "out"
    for _ in range(2):
        assert label(out) == 0
        told = capsys.readouterr().err.splitlines()
        assert told.count(doubtful) == 1
        assert "blue: Swap object and background in the mask of 17.png." in " ".join(told)
        assert doubtful in (out / "contact-sheet.html").read_text()
    shot = picture(BLUE, seed=17)
    (support / "17.blue.png").write_bytes(shot.mask_png)
    assert label(out) == 0
    assert doubtful not in capsys.readouterr().err
    assert doubtful not in (out / "contact-sheet.html").read_text()
    (out / ".fss-label/warnings.json").write_bytes(b"{")
    assert label(out) == 0


def test_a_run_that_was_stopped_warns_again(
    label: Label, doubtful: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(out) == 0
    ledger = out / ".fss-label/ledger.jsonl"
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:-2]))
    capsys.readouterr()
    assert label(out) == 0
    assert capsys.readouterr().err.splitlines().count(doubtful) == 1


def test_warnings_of_supports_that_labelled_nothing_are_not_told(
    label: Label,
    support: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, mask = tmp_path / "out", support / "17.blue.png"
    good = mask.read_bytes()
    assert label(out) == 0
    mask.write_bytes(png((~picture(BLUE, seed=17).mask).astype(np.uint8) * 255))

    def stop(*_: object, **__: object) -> None:
        raise OfflineError("stopped before the first image")

    with monkeypatch.context() as stopping:
        stopping.setattr("service.offline.run.label_images", stop)
        assert label(out) == 2
    assert "blue: 17.png: " in capsys.readouterr().err
    mask.write_bytes(good)
    assert label(out) == 0
    told = capsys.readouterr().err
    assert "6 of 6 images are done already" in told
    assert "17.png" not in told


def test_two_folders_do_not_share_one_folder_of_results(
    label: Label, photos: Path, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(out) == 0
    before = results(out)
    other = tmp_path / "other"
    other.mkdir()
    (other / "0.png").write_bytes(picture(seed=7).image_png)
    capsys.readouterr()
    command = ["label", str(other), "--support", str(support), "--out", str(out)]
    assert main([*command, "--absent", "drop"]) == 2
    assert f"{out} holds what was found in {photos}" in capsys.readouterr().err
    assert results(out) == before
    moved = tmp_path / "moved"
    moved.mkdir()
    for folder in (photos, support, out):
        folder.rename(moved / folder.name)
    command = ["label", str(moved / "photos"), "--support", str(moved / "supports"), "--recursive"]
    assert main([*command, "--out", str(moved / "out")]) == 0
    assert "6 of 6 images are done already" in capsys.readouterr().err


def test_supports_and_results_inside_the_folder_are_not_labelled(
    label: Label, photos: Path, support: Path, tiny_bundle: Path
) -> None:
    support.rename(photos / "supports")
    out = photos / "out"
    command = ["label", str(photos), "--support", str(photos / "supports"), "--out", str(out)]
    for _ in range(2):
        assert main([*command, "--recursive"]) == 0
        images = json.loads((out / "coco.json").read_text())["images"]
        assert [each["file_name"] for each in images] == [
            *(f"{i}.png" for i in range(5)),
            "inside/5.png",
        ]
    for file in (photos / "supports").iterdir():
        file.rename(photos / f"s{file.name}")
    assert main(["label", str(photos), "--support", str(photos), "--out", str(out)]) == 0
    names = {each["file_name"] for each in json.loads((out / "coco.json").read_text())["images"]}
    assert names == {*(f"{i}.png" for i in range(5)), *(f"s{i:02}.png" for i in range(19))}


@pytest.mark.parametrize("options", [[], ["--recursive"]])
@pytest.mark.parametrize("out", [".", ".."])
def test_results_in_the_folder_itself_or_around_it_hide_no_image(
    label: Label,
    photos: Path,
    support: Path,
    monkeypatch: pytest.MonkeyPatch,
    out: str,
    options: list[str],
) -> None:
    monkeypatch.chdir(photos)
    for _ in range(2):
        assert main(["label", ".", "--support", str(support), "--out", out, *options]) == 0
        images = json.loads((photos / out / "coco.json").read_text())["images"]
        inside = ["inside/5.png"] if options else []
        assert [each["file_name"] for each in images] == [*(f"{i}.png" for i in range(5)), *inside]


def test_label_maps_of_supports_are_not_labelled(
    label: Label, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "labels").mkdir()
    (photos / "labels/._5.png").write_bytes(b"of macOS")
    (photos / "inside").rename(photos / "images")
    shot = picture(BLUE, height=33, width=250, box=(4, 31, 16, 125))
    Image.fromarray(shot.mask.astype(np.uint8)).save(photos / "labels/5.PNG")
    # As Excel writes it.
    (photos / "classes.csv").write_text("index,name\n1,thing\n", encoding="utf-8-sig")
    out = tmp_path / "out"
    command = ["label", str(photos), "--support", str(photos), "--out", str(out), "--recursive"]
    assert main(command) == 0, capsys.readouterr().err
    images = json.loads((out / "coco.json").read_text())["images"]
    assert [each["file_name"] for each in images] == [
        *(f"{i}.png" for i in range(5)),
        "images/5.png",
    ]


@pytest.mark.parametrize(("row", "column"), [(0, 0), (11, 4000), (22, 7299)])
def test_a_mask_of_one_pixel_is_outlined_and_not_the_whole_picture(row: int, column: int) -> None:
    mask = np.zeros((23, 7300), np.bool_)
    mask[row, column] = True
    found = ClassResult(
        class_name="speck",
        present=True,
        presence=1.0,
        score=1.0,
        area=1,
        bbox=(column, row, 1, 1),
        mask=encode_rle(mask),
    )
    result = ImageResult(height=23, width=7300, classes=[found])
    data = png(np.zeros((23, 7300), np.uint8))
    card = draw_card(data, result, max_pixels=mask.size, pixel_budget=PixelBudget(mask.size))
    assert card.paths == {"speck": f"M{column * 320 // 7300}.5 0.5Z"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "2"], "a number from 0 to 1, calibrated or model"),
        (["--adapt", "true"], "16 shots at most, not 17"),
        (["--format", "tiff"], "is not one of"),
    ],
)
def test_mistakes_are_told(
    label: Label,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert label(tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err


def test_two_runs_do_not_write_to_one_folder(label: Label, tmp_path: Path) -> None:
    path = tmp_path / "out/.fss-label/ledger.jsonl"
    with Ledger(path, {"model": "m"}):
        assert label(tmp_path / "out") == 1
        with pytest.raises(RunFailedError, match="another run writes"):
            Ledger(path, {"model": "m"})
