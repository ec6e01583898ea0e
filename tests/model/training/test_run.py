"""Training on a tiny folder: three stages, an exact resume, and errors of the command line."""

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pydantic import ValidationError
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

from model.__main__ import main
from model.build import CheckpointError, network_state, read_checkpoint
from model.build.pretrained import MOBILENET_FILE
from model.contract import load_manifest, write_manifest
from model.data.datasets import DatasetError
from model.training import CHECKPOINT_FILE, DivergedError, Run, TrainConfig
from model.training.log import RunLog
from model.training.source import LoadedBatch, PixelSource
from tests.model.tiny_training import SIDE, one_feature_graph, write_training_ground

RECIPE: dict[str, object] = {
    "preset": "lite",
    "input_side": SIDE,
    "unseen": {"fold": 0},
    "sets": [{"name": "tiny", "weight": 1.0}],
    "cache": {"views": 2, "label_side": 33, "workers": 1},
    "stages": [
        {"steps": 2, "backbone": "none", "lr": 1e-3, "batch": 1},
        {"steps": 2, "backbone": "deep", "lr": 1e-3, "backbone_lr": 1e-4, "batch": 1},
        {"steps": 2, "backbone": "all", "lr": 1e-3, "backbone_lr": 1e-4, "batch": 1},
    ],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data/tiny` with 8 images of 2 classes, and `weights`."""
    root = tmp_path_factory.mktemp("training")
    write_training_ground(root)
    return root


@pytest.fixture(scope="module", autouse=True)
def _one_graph() -> Iterator[None]:
    with one_feature_graph():
        yield


def _run(
    root: Path,
    out: str,
    *,
    recipe: dict[str, object] = RECIPE,
    budget: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    compiled: bool = False,
) -> Run:
    return Run(
        TrainConfig.model_validate(recipe),
        out=root / out,
        data_root=root / "data",
        weights_dir=root / "weights",
        cache_dir=root / "cache",
        budget_minutes=budget,
        clock=clock,
        compiled=compiled,
    )


def _ticking() -> Callable[[], float]:
    """A clock that moves a minute at each reading."""
    return partial(next, count(0.0, 60.0))


def _train_until(run: Run, step: int) -> None:
    run.train(lambda: run.step >= step)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(root: Path) -> None:
    whole = _run(root, "whole")
    start = {k: v.clone() for k, v in whole.network.state_dict().items()}
    whole.train(lambda: False)
    assert whole.step == 6
    for stop_at in (1, 3, 6):
        part = _run(root, "parts")
        if stop_at > 1:
            part.resume()
        _train_until(part, stop_at)
        assert part.step == stop_at
    expected = read_checkpoint(root / "whole" / "checkpoint.pt")
    found = read_checkpoint(root / "parts" / "checkpoint.pt")
    for entry in ("network", "live"):
        for name, tensor in expected[entry].items():
            assert torch.equal(tensor, found[entry][name]), f"{entry}: {name}"
    assert torch.equal(expected["rng"], found["rng"])
    for trained in ("decoder.head.3.weight", "backbone.blocks.16.project.conv.weight",
                    "backbone.stem.conv.weight"):  # fmt: skip
        assert not torch.equal(start[trained], expected["live"][trained]), trained
    # Every step counts in the log, also those before a stop or the end of a stage.
    for checkpoint, logged in ((expected, [2, 4, 6]), (found, [1, 2, 3, 4, 6])):
        assert [entry["step"] for entry in checkpoint["progress"]["curve"]] == logged
    assert expected["progress"]["data"] == ["tiny: 8 images (cup; key <old>)"]
    assert set(expected["progress"]["excluded"]) >= {"aeroplane", "bottle"}


def test_a_run_without_a_cache_resumes_exactly_from_memory_or_from_disk(root: Path) -> None:
    recipe = {**RECIPE, "cache": None, "loading": {"workers": 3, "ahead": 3}}
    from_disk = {**recipe, "loading": {"memory_gb": 0.0, "workers": 1, "ahead": 1}}
    whole = _run(root, "pixels", recipe=recipe)
    whole.train(lambda: False)
    _train_until(_run(root, "pixels_parts", recipe=recipe), 3)
    part = _run(root, "pixels_parts", recipe=from_disk)
    part.resume()
    part.train(lambda: False)
    assert part.step == whole.step == 6
    expected, found = whole.network.state_dict(), part.network.state_dict()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    assert not (root / "pixels" / "cache").exists()
    weights = np.load(root / "weights" / MOBILENET_FILE)
    for untouched in ("stem.bn.running_mean", "blocks.16.project.bn.running_var"):
        assert torch.equal(expected[f"backbone.{untouched}"], torch.as_tensor(weights[untouched]))


@pytest.mark.compiler
def test_a_compiled_backbone_trains_the_same_network(root: Path) -> None:
    stages = [  # the backbone is frozen, then trained, then frozen as it has become
        {"steps": 1, "backbone": "none", "lr": 1e-3, "batch": 1},
        {"steps": 1, "backbone": "all", "lr": 1e-3, "backbone_lr": 1e-2, "batch": 1},
        {"steps": 1, "backbone": "none", "lr": 1e-3, "batch": 1},
    ]
    recipe = {**RECIPE, "cache": None, "optimizer": "sgd", "stages": stages}
    plain = _run(root, "not_compiled", recipe=recipe)
    start = {k: v.clone() for k, v in plain.network.state_dict().items()}
    plain.train(lambda: False)
    compiled = _run(root, "compiled", recipe=recipe, compiled=True)
    compiled.train(lambda: False)
    expected, found = plain.network.state_dict(), compiled.network.state_dict()
    assert not torch.equal(start["backbone.stem.conv.weight"], found["backbone.stem.conv.weight"])
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-5, rtol=1e-3, msg=name)


def test_epochs_become_steps_of_as_many_episodes_as_there_are_images(root: Path) -> None:
    stages = [{"epochs": 2.5, "backbone": "none", "lr": 1e-3, "batch": 3}]
    run = _run(root, "epochs", recipe={**RECIPE, "cache": None, "stages": stages})
    assert [(stage.steps, stage.epochs) for stage in run.config.stages] == [(6, None)]  # 20 / 3


@pytest.mark.parametrize("length", [{}, {"steps": 2, "epochs": 1}])
def test_a_stage_has_one_length(length: dict[str, int]) -> None:
    stages = [{**length, "backbone": "none", "lr": 1e-3, "batch": 3}]
    with pytest.raises(ValidationError, match="either steps, above 0, or epochs"):
        TrainConfig.model_validate({**RECIPE, "stages": stages})


@pytest.mark.parametrize("part", ["deep", "all"])
def test_a_stage_that_would_train_nothing_of_the_backbone_is_refused(part: str) -> None:
    stage = {"steps": 1, "backbone": part, "lr": 1e-3, "batch": 3}
    with pytest.raises(ValidationError, match=f"`backbone: {part}` needs a backbone_lr above 0"):
        TrainConfig.model_validate({**RECIPE, "stages": [stage]})
    TrainConfig.model_validate({**RECIPE, "stages": [{**stage, "backbone_lr": 1e-4}]})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_time_budget_ends_the_run_behind_every_stage_and_survives_a_resume(root: Path) -> None:
    whole = _run(root, "short", budget=9.0, clock=_ticking())
    whole.train(lambda: False)
    # Three readings of the clock make a step three minutes long, one of them for its data.
    assert (whole.step, whole.minutes) == (3, 9.0)
    assert whole.wait_share == pytest.approx(1 / 3)
    part = _run(root, "short_parts", budget=9.0, clock=_ticking())
    _train_until(part, 1)
    part = _run(root, "short_parts", clock=_ticking())
    part.resume()
    part.train(lambda: False)
    assert (part.step, part.minutes) == (3, 9.0)
    expected = read_checkpoint(root / "short" / "checkpoint.pt")
    found = read_checkpoint(root / "short_parts" / "checkpoint.pt")
    for name, tensor in expected["live"].items():
        assert torch.equal(tensor, found["live"][name]), name
    # The last stage alone trains the stem.
    assert not torch.equal(
        expected["live"]["backbone.stem.conv.weight"],
        torch.as_tensor(np.load(root / "weights" / MOBILENET_FILE)["stem.conv.weight"]),
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_more_minutes_take_no_run_back_to_features_of_another_backbone(root: Path) -> None:
    part = _run(root, "longer", budget=9.0, clock=_ticking())
    _train_until(part, 2)  # the second stage has trained a part of the backbone
    with pytest.raises(CheckpointError, match="back to a stage whose cached features"):
        _run(root, "longer", budget=90.0, clock=_ticking()).resume()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_finished_run_is_extended_with_its_optimizer_and_its_average(root: Path) -> None:
    def updates() -> set[float]:
        optimizer = read_checkpoint(root / "finished" / "checkpoint.pt")["optimizer"]
        return {float(each["step"]) for each in optimizer["state"].values()}

    _run(root, "finished", budget=9.0, clock=_ticking()).train(lambda: False)
    assert updates() == {1}  # by the step of the last stage
    part = _run(root, "finished", budget=12.0, clock=_ticking())
    part.resume()
    assert part.ema.n_averaged == 1
    part.train(lambda: False)
    assert (part.step, part.minutes, int(part.ema.n_averaged)) == (4, 12.0, 2)
    assert updates() == {2}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_finished_run_of_an_earlier_release_is_extended_too(root: Path) -> None:
    _run(root, "earlier", budget=9.0, clock=_ticking()).train(lambda: False)
    path = root / "earlier" / "checkpoint.pt"
    checkpoint = read_checkpoint(path)
    checkpoint["optimizer"], checkpoint["progress"]["averaged"] = None, 0
    torch.save(checkpoint, path)
    part = _run(root, "earlier", budget=12.0, clock=_ticking())
    part.resume()
    part.train(lambda: False)
    assert (part.step, int(part.ema.n_averaged)) == (4, 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_more_minutes_take_no_finished_run_back_to_features_of_another_backbone(root: Path) -> None:
    _run(root, "ended", budget=9.0, clock=_ticking()).train(lambda: False)
    with pytest.raises(CheckpointError, match="back to a stage whose cached features"):
        _run(root, "ended", budget=90.0, clock=_ticking()).resume()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fewer_minutes_begin_the_average_of_a_later_stage_anew(root: Path) -> None:
    stages: list[dict[str, object]] = [dict(each) for each in RECIPE["stages"]]  # type: ignore[attr-defined]
    stages[1]["steps"] = 20
    recipe = {**RECIPE, "stages": stages}
    _train_until(_run(root, "shorter", recipe=recipe, budget=90.0, clock=_ticking()), 1)
    part = _run(root, "shorter", recipe=recipe, budget=24.0, clock=_ticking())
    part.resume()
    assert part.ema.n_averaged == 1
    _train_until(part, 2)
    assert part.ema.n_averaged == 1  # of the step in this stage alone


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_backbone_is_not_exported_for_a_cache_that_is_complete(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(*_: object) -> bytes:
        raise AssertionError("the backbone was exported")

    first = _run(root, "exported").prepared
    monkeypatch.setattr("model.training.preparation.feature_graph", export)
    assert _run(root, "not_exported").prepared.data == first.data


def test_recipes_with_one_folder_of_caches_leave_each_other_alone(root: Path) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (root / "cache").rglob("*.npy")}

    _run(root, "one")
    before = contents()
    assert before
    _run(root, "other", recipe={**RECIPE, "cache": {"views": 3, "label_side": 33, "workers": 1}})
    after = contents()
    assert len(after) > len(before)
    assert {path: after[path] for path in before} == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_is_not_resumed_by_another_recipe(root: Path) -> None:
    _train_until(_run(root, "recipe"), 1)
    other = TrainConfig.model_validate({**RECIPE, "unseen": {"fold": 1}, "seed": 4})
    run = _run(root, "recipe")
    run.config = other
    with pytest.raises(CheckpointError, match="seed, unseen differ"):
        run.resume()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_of_another_release_is_not_resumed(root: Path) -> None:
    _train_until(_run(root, "release"), 1)
    path = root / "release" / "checkpoint.pt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["live"]["decoder.join.0.0.weight"] = checkpoint["live"].pop("decoder.join.0.weight")
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match="begun by another release"):
        _run(root, "release").resume()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_network_without_a_run_is_not_resumed(root: Path, tmp_path: Path) -> None:
    run = _run(root, "bare")
    run.out = tmp_path
    torch.save(network_state(run.network, run.network_config), tmp_path / CHECKPOINT_FILE)
    with pytest.raises(CheckpointError, match="no run to resume"):
        run.resume()


def test_the_log_is_written_as_lines_and_for_tensorboard(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as log:
        log.write({"step": 20.0, "main": 0.5})
        log.write({"step": 40.0, "main": 0.25})
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["main"] for line in lines] == [0.5, 0.25]
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    scalars = events.Scalars("train/main")
    assert [(s.step, s.value) for s in scalars] == [(20, 0.5), (40, 0.25)]


def test_a_resumed_run_forgets_the_lines_of_the_stretch_that_was_lost(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as log:
        for step in (20.0, 40.0, 60.0):
            log.write({"step": step, "main": 0.5})
    with (tmp_path / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 15.0, "main": 0.5}')  # the process died before the line ended
    with RunLog(tmp_path, 20) as log:
        for step in (40.0, 60.0):
            log.write({"step": step, "main": 0.25})
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert [(e["step"], e["main"]) for e in entries] == [(20, 0.5), (40, 0.25), (60, 0.25)]


def _command(
    root: Path,
    out: Path,
    recipe: dict[str, object],
    weights: str,
    *more: str,
) -> int:
    out.mkdir(exist_ok=True)
    config = out / "recipe.yaml"
    config.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    options = {
        "--config": config,
        "--data": root / "data",
        "--out": out,
        "--weights": root / weights,
    }
    flat = [str(part) for option in options.items() for part in option]
    return main(["train", *flat, *more])


def test_missing_weights_are_named(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    assert _command(root, tmp_path, RECIPE, "nowhere") == 2
    assert str(root / "nowhere" / MOBILENET_FILE) in capsys.readouterr().err


def test_a_time_budget_of_nothing_is_told(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    assert _command(root, tmp_path, RECIPE, "weights", "--minutes", "0") == 2
    assert "--minutes" in capsys.readouterr().err


def test_an_unknown_device_is_told(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    assert _command(root, tmp_path, RECIPE, "weights", "--device", "tpu") == 2
    assert "give auto, cpu, cuda or cuda:N" in capsys.readouterr().err


def test_a_wrong_config_key_is_told(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    assert _command(root, tmp_path, {**RECIPE, "learning": 1}, "weights") == 2
    assert "learning" in capsys.readouterr().err
    assert _command(root, tmp_path, {**RECIPE, "preset": "resnet50"}, "weights") == 2
    assert "no preset resnet50: there are " in capsys.readouterr().err
    odd = {**RECIPE, "preset": "base", "input_side": 256}
    assert _command(root, tmp_path, odd, "weights") == 2
    assert "a multiple of 16 plus 1, not 256" in capsys.readouterr().err


def test_a_file_in_place_of_the_folder_of_a_run_is_told(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    config, file = tmp_path / "recipe.yaml", tmp_path / "file"
    config.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    file.write_text("kept", encoding="utf-8")
    words = ["--config", config, "--data", root / "data", "--out", file]
    assert main(["train", *map(str, words)]) == 2
    assert capsys.readouterr().err == f"cannot make the folder {file}: File exists\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_preparation_at_once(
    capsys: pytest.CaptureFixture[str],
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    def prepare(*_: object, **__: object) -> None:
        signal.raise_signal(number)
        raise AssertionError("the preparation went on")

    before = signal.getsignal(number)
    monkeypatch.setattr("model.training.run.prepare", prepare)
    assert _command(root, tmp_path, RECIPE, "weights") == 130
    assert capsys.readouterr().err == "stopped before the first step\n"
    assert signal.getsignal(number) is before


def _diverging_from(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the optimizer of a run an infinite rate from its step `step` on, counted from 1."""
    steps = count(1)

    def set_rate(optimizer: torch.optim.Optimizer, *_: object) -> None:
        rate = float("inf") if next(steps) >= step else 1e-3
        for group in optimizer.param_groups:
            group["lr"] = rate

    monkeypatch.setattr("model.training.run.set_rate", set_rate)


ONE_STAGE = {
    **RECIPE,
    "cache": None,
    "stages": [{"steps": 6, "backbone": "none", "lr": 1e-3, "batch": 1}],
}


def test_a_run_that_diverges_keeps_its_last_good_checkpoint(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _diverging_from(3, monkeypatch)
    run = _run(root, str(tmp_path), recipe={**ONE_STAGE, "checkpoint_steps": 1})
    with pytest.raises(DivergedError, match="a weight behind step 3 is not finite"):
        run.train(lambda: False)
    checkpoint = read_checkpoint(tmp_path / CHECKPOINT_FILE)
    assert checkpoint["progress"]["step"] == 2
    for name, tensor in checkpoint["network"].items():
        assert tensor.isfinite().all(), name


def test_a_loss_that_is_no_number_is_not_logged(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _diverging_from(3, monkeypatch)
    monkeypatch.setattr("model.training.run._LOG_STEPS", 2)
    run = _run(root, str(tmp_path), recipe=ONE_STAGE)
    with pytest.raises(DivergedError, match="a loss of steps 3 to 4 is not finite"):
        run.train(lambda: False)
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2]


def test_divergence_is_told_in_one_line_with_a_status(
    capsys: pytest.CaptureFixture[str],
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _diverging_from(1, monkeypatch)
    stages = [{"steps": 2, "backbone": "none", "lr": 1e-3, "batch": 1}]
    assert _command(root, tmp_path, {**ONE_STAGE, "stages": stages}, "weights") == 1
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "diverged" in each]
    assert "a loss of steps 1 to 2 is not finite" in line
    assert not (tmp_path / CHECKPOINT_FILE).exists()


def _copied_ground(root: Path, tmp_path: Path) -> Path:
    """A copy of the set to damage; the weights stay where they are."""
    shutil.copytree(root / "data", tmp_path / "data")
    (tmp_path / "weights").symlink_to(root / "weights")
    return tmp_path


def test_the_classes_of_each_set_are_told_before_the_first_step(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    ground = _copied_ground(root, tmp_path)
    tiny = ground / "data" / "tiny"
    (tiny / "classes.csv").write_text("index,name\n1,cup\n3,lid\n", encoding="utf-8")
    stages = [{"steps": 1, "backbone": "none", "lr": 1e-3, "batch": 1}]
    assert _command(ground, tmp_path / "out", {**ONE_STAGE, "stages": stages}, "weights") == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == (
        "tiny: 8 images, 1 of 2 classes; lid in no images; label value 2 not in classes.csv"
    )
    assert last.startswith("step 1, ")


@pytest.mark.parametrize("cached", [True, False])
def test_a_set_without_a_class_is_refused_beside_another(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path, *, cached: bool
) -> None:
    ground = _copied_ground(root, tmp_path)
    (ground / "data" / "tiny" / "classes.csv").write_text("index,name\n", encoding="utf-8")
    rendered = {"name": "procedural_defects", "weight": 0.5, "per_class": 2}
    recipe = RECIPE if cached else ONE_STAGE
    sets = [{"name": "tiny", "weight": 1.0}, rendered]
    assert _command(ground, tmp_path / "out", {**recipe, "sets": sets}, "weights") == 2
    assert "tiny names no class" in capsys.readouterr().err


def test_a_set_that_shows_unseen_classes_alone_is_left_out(root: Path, tmp_path: Path) -> None:
    ground = _copied_ground(root, tmp_path)
    shutil.copytree(ground / "data" / "tiny", ground / "data" / "birds")
    table = ground / "data" / "birds" / "classes.csv"
    table.write_text("index,name\n1,bird\n2,bird_nest\n", encoding="utf-8")
    for path in (ground / "data" / "birds" / "labels").iterdir():
        Image.fromarray(np.ones((50, SIDE), np.uint8)).save(path)
    sets = [{"name": name, "weight": 1.0} for name in ("tiny", "birds")]
    for recipe in (ONE_STAGE, RECIPE):
        run = _run(ground, "out", recipe={**recipe, "sets": sets})
        assert run.prepared.data == ("tiny: 8 images (cup; key <old>)", "birds: 0 images")
        assert str(run.prepared.surveys[1]) == (
            "birds: no images, 0 of 1 classes; bird_nest in no images"
        )


def test_a_wrong_label_map_is_told_before_any_feature_is_computed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def graph(*_: object) -> bytes:
        raise AssertionError("the features were to be computed")

    ground = _copied_ground(root, tmp_path)
    monkeypatch.setattr("model.training.preparation.feature_graph", graph)
    label = ground / "data" / "tiny" / "labels" / "7.png"
    Image.new("L", (SIDE, 49)).save(label)
    with pytest.raises(DatasetError, match=r"differ in size: .*7\.jpg"):
        _run(ground, "out")
    for path in label.parent.iterdir():
        Image.new("L", (SIDE, 50), 255).save(path)
    with pytest.raises(DatasetError, match=r"no class of tiny .* labels of 255 are ignored"):
        _run(ground, "out")
    assert not list((ground / "cache").iterdir())


def test_an_image_that_breaks_leaves_a_checkpoint_of_the_steps_before(
    capsys: pytest.CaptureFixture[str],
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = {**ONE_STAGE, "loading": {"workers": 1, "ahead": 1}}
    load = PixelSource.load
    loads = count(1)

    def breaking(*args: Any) -> LoadedBatch:
        if next(loads) == 4:
            raise DatasetError("expected an image at 7.jpg")
        return load(*args)

    whole = _run(root, str(tmp_path / "whole"), recipe=recipe)
    whole.train(lambda: False)
    with monkeypatch.context() as patch:
        patch.setattr(PixelSource, "load", breaking)
        assert _command(root, tmp_path / "out", recipe, "weights") == 2
    assert "expected an image at 7.jpg" in capsys.readouterr().err
    progress = read_checkpoint(tmp_path / "out" / CHECKPOINT_FILE)["progress"]
    assert (progress["step"], [entry["step"] for entry in progress["curve"]]) == (3, [3])
    part = _run(root, str(tmp_path / "out"), recipe=recipe)
    part.resume()
    part.train(lambda: False)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, part.network.state_dict()[name]), name


def test_an_existing_run_is_not_overwritten(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"kept")
    assert _command(root, tmp_path, RECIPE, "weights") == 2
    assert "--resume" in capsys.readouterr().err
    assert (tmp_path / "checkpoint.pt").read_bytes() == b"kept"


def test_from_a_bundle_no_other_weights_are_needed(root: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree("model/bundles/lite", tmp_path / "lite"))
    manifest = load_manifest(bundle)
    assert manifest.training is not None
    fewer = [name for name in manifest.training.excluded_classes if name != "owl"]
    training = manifest.training.model_copy(update={"excluded_classes": tuple(fewer)})
    write_manifest(bundle, manifest.model_copy(update={"training": training}))
    recipe = RECIPE | {"start": str(bundle), "cache": None}
    run = Run(
        TrainConfig.model_validate(recipe),
        out=tmp_path / "out",
        data_root=root / "data",
        weights_dir=tmp_path / "none",
        cache_dir=tmp_path / "cache",
    )
    _train_until(run, 1)
    progress = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["progress"]
    # What the bundle was trained on, the run was trained on too.
    assert any(line.startswith("magnetic_tile") for line in progress["data"])
    # And only what both left out was left out.
    assert "owl" in run.config.excluded_names
    assert set(progress["excluded"]) == run.config.excluded_names & set(fewer)
    assert set(run.config.test_classes) < set(progress["excluded"])
    backbone = {name for name in run.started if name.startswith("backbone.")}
    assert len(backbone) == len(list(run.network.backbone.named_parameters()))
