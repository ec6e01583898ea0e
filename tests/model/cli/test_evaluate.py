"""`model evaluate` and `model results` as they are typed."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.__main__ import main
from model.build import PRESETS, Checkpoint, build_network, network_state
from model.build.pretrained import MOBILENET_FILE
from model.data.folds import PASCAL_CLASSES
from model.evaluation.episodes import EpisodeReport
from model.evaluation.records import Evaluation
from model.nets.backbones import MobileNetV2Backbone
from tests.service.tiny_bundle import write_tiny_bundle

COLOURS = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255),
    (255, 255, 0), (0, 255, 255), (255, 0, 255), (255, 128, 0), (0, 90, 60),
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of each of ten colours, which are the classes of PASCAL's folds 0 and 1."""
    root = tmp_path_factory.mktemp("data") / "colours"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    rows = [f"{i},{name}" for i, name in enumerate(PASCAL_CLASSES[:10], start=1)]
    (root / "classes.csv").write_text("\n".join(["index,name", "0,background", *rows]) + "\n")
    for number in range(3):
        for c, colour in enumerate(COLOURS, start=1):
            label = np.zeros((40, 48), np.uint8)
            label[4 : 24 + number, 8:32] = c
            pixels = np.where(label[..., None] > 0, np.array(colour, np.uint8), np.uint8(128))
            Image.fromarray(pixels).save(root / "images" / f"{c}{number}.jpg", quality=95)
            Image.fromarray(label).save(root / "labels" / f"{c}{number}.png")
    return root


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with random weights at 65 pixels."""
    torch.manual_seed(0)
    config = PRESETS["lite"]().at_side(65)
    path = tmp_path_factory.mktemp("runs") / "checkpoint.pt"
    torch.save(network_state(build_network(config), config), path)
    return path


def _run(*words: object) -> int:
    return main([str(word) for word in words])


def test_episodes_are_recorded_and_made_into_a_page(
    data: Path,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--bundle", bundle, "--data", data, "--folds", "0,1", "--shots", "1,2"]
    record = tmp_path / "results" / "tiny.json"
    status = _run(
        "evaluate", *words, "--seeds", "0,1", "--episodes", "12",
        "--min-area", "100", f"--name={tmp_path / 'a=b'}", "--json", record,
    )  # fmt: skip
    assert status == 0
    printed = capsys.readouterr().out
    assert "1-shot mIoU" in printed
    assert "aeroplane" in printed
    evaluation = Evaluation.model_validate_json(record.read_text())
    lists = [(r.report.shots, r.fold, r.report.seed) for r in evaluation.results]
    assert lists == [(k, fold, seed) for k in (1, 2) for fold in (0, 1) for seed in (0, 1)]
    assert all(r.report.class_iou for r in evaluation.results)
    assert evaluation.subject.sha256.keys() == {"encoder", "prototype", "head"}
    assert evaluation.protocol.images == 30
    assert str(tmp_path) not in evaluation.command  # paths are those of the working folder
    assert "--json results/tiny.json" in evaluation.command
    assert "--name=a=b" in evaluation.command

    assert _run("results", "--from", "results", "--out", "docs/RESULTS.md") == 0
    page = (tmp_path / "docs" / "RESULTS.md").read_text()
    assert "## colours" in page
    assert evaluation.command in page


def test_the_baseline_is_evaluated_and_recorded_as_trained_on_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("evaluate", "--baseline", "nearest-prototype", "--data", data, "--folds", "0,1")
    few = ("--episodes", 4, "--min-area", 100, "--input-side", 65)
    assert _run(*options, *few) == 2
    assert f"weights at {data.parents[1] / 'weights' / MOBILENET_FILE}" in capsys.readouterr().err
    torch.manual_seed(0)
    state = MobileNetV2Backbone().state_dict()
    arrays = {k: v.numpy() for k, v in state.items() if not k.endswith("num_batches_tracked")}
    np.savez(tmp_path / MOBILENET_FILE, **arrays)
    record = tmp_path / "records" / "baseline.json"
    assert _run(*options, *few, "--weights", tmp_path, "--json", record) == 0
    found = Evaluation.model_validate_json(record.read_bytes())
    assert (found.subject.kind, found.subject.name) == ("baseline", "nearest-prototype")
    assert [(r.fold, r.seen) for r in found.results] == [(0, False), (1, False)]
    report = found.results[0].report
    assert isinstance(report, EpisodeReport)
    assert report.mean_iou > 20
    assert _run("results", "--from", record.parent, "--out", tmp_path / "page.md") == 0
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "Not trained on any of the sets: ImageNet weights alone." in page
    assert _run(*options, *few, "--weights", tmp_path, "--scales", "0.8,1") == 2
    assert "the baseline has one scale" in capsys.readouterr().err
    assert _run("evaluate", "--bundle", tmp_path, "--data", data, "--weights", tmp_path) == 2
    assert "--weights goes with --baseline" in capsys.readouterr().err


def test_a_bundle_is_judged_on_absence(data: Path, bundle: Path, tmp_path: Path) -> None:
    record = tmp_path / "absence.json"
    status = _run(
        "evaluate", "--bundle", bundle, "--data", data, "--folds", "0",
        "--absent", "0.5", "--episodes", "16", "--min-area", "100",
        "--flip", "--json", record,
    )  # fmt: skip
    assert status == 0
    (result,) = json.loads(record.read_text())["results"]
    assert result["report"]["auroc"] > 0.9
    assert result["report"]["presence_threshold"] == 0.5
    assert result["report"]["gated_mean_iou"] >= result["report"]["mean_iou"]


def test_base_and_novel_classes_share_a_label_map(data: Path, bundle: Path, tmp_path: Path) -> None:
    record = tmp_path / "generalised.json"
    status = _run(
        "evaluate", "--bundle", bundle, "--data", data, "--folds", "0",
        "--generalised", "--min-area", "100", "--json", record,
    )  # fmt: skip
    assert status == 0
    (result,) = json.loads(record.read_text())["results"]
    assert result["report"]["images"] == 20  # ten of the thirty are supports
    assert len(result["report"]["class_iou"]) == 10
    assert min(result["report"]["base_iou"], result["report"]["novel_iou"]) > 50


def test_a_checkpoint_is_averaged_over_scales_at_scaled_labels(
    data: Path, checkpoint: Path, tmp_path: Path
) -> None:
    record = tmp_path / "scales.json"
    status = _run(
        "evaluate", "--checkpoint", checkpoint, "--data", data, "--folds", "1",
        "--labels", "scaled", "--scales", "1.0,1.5", "--flip", "--episodes", "2",
        "--min-area", "100", "--name", "random", "--json", record,
    )  # fmt: skip
    assert status == 0
    evaluation = Evaluation.model_validate_json(record.read_text())
    assert (evaluation.subject.name, evaluation.subject.input_side) == ("random", 65)
    assert evaluation.protocol.settings == "scaled labels †; scales 1, 1.5; mirrored too"
    assert evaluation.subject.sha256.keys() == {"checkpoint"}


def test_calibration_of_a_checkpoint_goes_into_its_presence_scores(
    data: Path,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calibrated, records = tmp_path / "calibrated.pt", [tmp_path / "raw.json", tmp_path / "c.json"]
    words = ["--data", data, "--min-area", "100", "--episodes", "30"]
    trained_on = [*words, "--folds", "1"]
    assert _run("calibrate", "--checkpoint", checkpoint, *trained_on, "--out", calibrated) == 0
    assert "counts as present from" in capsys.readouterr().out
    for path, record in zip((checkpoint, calibrated), records, strict=True):
        absent = [*words, "--folds", "0", "--absent", "0.5", "--json", record]
        assert _run("evaluate", "--checkpoint", path, *absent) == 0
    raw, report = (json.loads(record.read_text())["results"][0]["report"] for record in records)
    assert (raw["auroc"], raw["presence_threshold"]) == (0.5, 0.5)
    # Even random features tell colours apart once their common part is taken away.
    assert report["auroc"] > 0.7
    assert report["presence_threshold"] == Checkpoint.read(calibrated).presence_threshold != 0.5


def test_a_calibrated_checkpoint_may_go_into_a_new_folder(
    data: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "calibrated.pt"
    words = ["--checkpoint", checkpoint, "--data", data, "--min-area", "100", "--folds", "1"]
    assert _run("calibrate", *words, "--episodes", "8", "--out", out) == 0
    assert 0 < Checkpoint.read(out).presence_threshold < 1


def test_a_checkpoint_is_calibrated_at_the_side_it_is_evaluated_at(
    data: Path, checkpoint: Path, tmp_path: Path
) -> None:
    words = ["--checkpoint", checkpoint, "--data", data, "--min-area", "100", "--folds", "1"]
    centres = []
    for number, side in enumerate(([], ["--input-side", "97"])):
        out = tmp_path / f"{number}.pt"
        assert _run("calibrate", *words, *side, "--episodes", "8", "--out", out) == 0
        state = torch.load(out, weights_only=True)
        assert state["config"]["input_side"] == 65
        centres.append(state["presence"]["centre"])
    assert not torch.allclose(*centres)


@pytest.mark.parametrize(
    ("options", "excluded", "problem"),
    [
        (["--episodes", "1"], (), "take more --episodes"),
        ([], PASCAL_CLASSES[5:10], "every class to ask for is unseen"),
    ],
)
def test_what_cannot_be_calibrated_is_said(
    data: Path,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    excluded: tuple[str, ...],
    problem: str,
) -> None:
    trained = tmp_path / "trained.pt"
    state = torch.load(checkpoint, weights_only=True)
    torch.save({**state, "progress": {"excluded": list(excluded)}}, trained)
    words = ["--checkpoint", trained, "--data", data, "--min-area", "100", "--folds", "1"]
    out = tmp_path / "out.pt"
    assert _run("calibrate", *words, "--out", out, *options) == 2
    assert problem in capsys.readouterr().err
    assert not out.exists()


def test_adaptation_is_measured_on_and_off(data: Path, bundle: Path, tmp_path: Path) -> None:
    words = ["--bundle", bundle, "--data", data, "--folds", "0", "--shots", "2"]
    words += ["--episodes", "8", "--min-area", "100"]
    evaluations = []
    for number, more in enumerate(([], ["--adapt"], ["--adapt", "auto"])):
        record = tmp_path / f"{number}.json"
        assert _run("evaluate", *words, *more, "--json", record) == 0
        evaluations.append(Evaluation.model_validate_json(record.read_text()))
    off, on, auto = evaluations
    assert (off.protocol.settings, on.protocol.settings) == ("", "adapted on the supports")
    assert auto.protocol.settings == "adapted on the supports where that helps"
    assert off.results[0].report != on.results[0].report


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--scales", "0.8,1"], "fixed to 32 pixels"),
        (["--input-side", "64"], "fixed to 32 pixels"),
        (["--device", "cuda"], "evaluated on the CPU"),
        (["--absent", "1"], "share between 0 and 1"),
        (["--threshold", "0"], "probability between 0 and 1"),
        (["--generalised"], "needs --folds"),
        (["--shots", "0"], "at least 1"),
        (["--shots", "1,1"], "--shots names 1 twice"),
        (["--seeds", "0,1,0"], "--seeds names 0 twice"),
        (["--seeds=-1"], "--seeds are numbers from 0 on, not -1"),
        (["--folds", "0,0"], "--folds names 0 twice"),
        (["--folds", "4"], "not 4"),
        (["--folds", "3"], "has no class pottedplant"),
        (["--folds", "0", "--min-area", "1000"], "no class has the 2 images"),
        (["--folds", "0", "--min-area", "1000"], "objects under --min-area pixels do not count"),
        (["--folds", "0", "--generalised"], "class 1 has 0 images, 1 supports are needed"),
    ],
)
def test_what_cannot_be_done_is_said(
    data: Path,
    bundle: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    problem: str,
) -> None:
    assert _run("evaluate", "--bundle", bundle, "--data", data, *options) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("mode", [(), ("--absent", "0.5"), ("--generalised",)])
def test_a_list_that_cannot_be_drawn_is_told_before_the_first_one_runs(
    data: Path,
    bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mode: tuple[str, ...],
) -> None:
    record = tmp_path / "record.json"
    words = ["--bundle", bundle, "--data", data, "--folds", "0", "--min-area", "100", *mode]
    assert _run("evaluate", *words, "--shots", "1,5", "--episodes", "8", "--json", record) == 2
    assert re.search("6 images that a 5-shot|5 supports are needed", capsys.readouterr().err)
    assert not record.exists()


@pytest.mark.parametrize("scale", ["inf", "nan", "-1"])
def test_a_scale_is_a_positive_number(
    data: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str], scale: str
) -> None:
    words = ("--checkpoint", checkpoint, "--data", data, f"--scales={scale}")
    assert _run("evaluate", *words) == 2
    assert f"a scale is a positive number, not {scale}" in capsys.readouterr().err


def test_an_area_is_at_least_one_pixel(
    data: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        _run("evaluate", "--bundle", bundle, "--data", data, "--min-area", "-5")
    assert "-5 is not a positive number" in capsys.readouterr().err


def test_weights_of_the_baseline_are_beside_a_link_to_the_sets(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "sets").symlink_to(data.parent)
    monkeypatch.chdir(tmp_path / "here" / "sets" / data.name)
    for named in (tmp_path / "here" / "sets" / data.name, "."):
        assert _run("evaluate", "--baseline", "nearest-prototype", "--data", named) == 2
    linked, followed = capsys.readouterr().err.splitlines()
    assert f" {tmp_path / 'here' / 'weights'}" in linked
    assert f" {data.parents[1] / 'weights'}" in followed  # of `.`, no shell tells the link


def test_the_one_defect_of_a_set_is_judged_against_good_images(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "inspection"
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    (root / "classes.csv").write_text("index,name\n1,scratch\n", encoding="utf-8")

    def add(number: int, shown: int) -> None:
        label = np.zeros((40, 48), np.uint8)
        label[10:30, 10:40] = shown
        pixels = np.full((40, 48, 3), 90, np.uint8)
        pixels[label > 0] = 240
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
        Image.fromarray(label).save(root / "labels" / f"{number}.png")

    for number in range(4):
        add(number, shown=1)
    calibrated, record = tmp_path / "calibrated.pt", tmp_path / "record.json"
    words = ["--data", root, "--min-area", "100", "--episodes", "12"]
    calibrate = ["calibrate", "--checkpoint", checkpoint, *words, "--out", calibrated]
    assert _run(*calibrate) == 2
    assert "no image is known to lack scratch" in capsys.readouterr().err
    for number in range(4, 8):
        add(number, shown=0)
    assert _run(*calibrate) == 0
    evaluate = ["evaluate", "--checkpoint", calibrated, *words, "--absent", "0.5"]
    assert _run(*evaluate, "--json", record) == 0
    (result,) = json.loads(record.read_text())["results"]
    assert result["report"]["auroc"] > 0.9


def test_where_nothing_can_be_written_is_told_before_any_work(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    missing = tmp_path / "missing"  # any of it that was read first would be told instead
    of_checkpoint = ("--checkpoint", missing, "--data", data)
    for command in (
        ("evaluate", *of_checkpoint, "--json"),
        ("results", "--from", missing, "--out"),
        ("calibrate", *of_checkpoint, "--out"),
        ("import-reference", missing, "--out"),
    ):
        assert _run(*command, tmp_path) == 2
        assert _run(*command, tmp_path / "file" / "x.json") == 2
        folder, under_a_file = capsys.readouterr().err.splitlines()
        assert folder == f"{tmp_path} is a folder: give the name of a file"
        assert under_a_file == f"cannot make the folder {tmp_path / 'file'}: File exists"
    for command in (("pictures", *of_checkpoint, "--out"), ("prototypes", *of_checkpoint, "--out")):
        assert _run(*command, tmp_path / "file") == 2
        assert "cannot make the folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_results_of_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    assert _run("results", "--from", tmp_path, "--out", page) == 2
    assert "evaluate --json" in capsys.readouterr().err
    assert not page.exists()
