"""The ablation: its variants, a real run of every row on a tiny folder, and its table."""

import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.build import load_network, read_checkpoint
from model.cli.signals import stop_on_signals
from model.evaluation.tables import spread
from model.experiments import ablation
from model.experiments.ablation import RowResult, Trial, run_ablation
from model.experiments.ablation_table import gain, markdown
from model.experiments.variants import AblationError, Comparison, Variant, comparisons
from model.nets import SDAANet
from model.segmenters import EagerSegmenter
from model.subject import SubjectError
from model.training import ConfigError, TrainConfig
from model.training.config import UnseenFold
from tests.model.experiments.command import run_command
from tests.model.tiny_training import one_feature_graph

RECIPE = {
    "preset": "lite",
    "input_side": 65,
    "unseen": None,
    "sets": [{"name": "tiny", "weight": 1.0}],
    "cache": {"views": 1, "label_side": 33, "workers": 1},
    "stages": [{"steps": 900, "backbone": "none", "lr": 1e-3, "batch": 1}],
}
GROUPS = comparisons(2)
VARIANTS = {variant.name: variant for group in GROUPS for variant in group.rows}


def _until_the_end() -> AbstractContextManager[Callable[[], bool]]:
    return nullcontext(lambda: False)


def _not_at_all() -> AbstractContextManager[Callable[[], bool]]:
    raise AssertionError("nothing is left to train")


@pytest.fixture(scope="module", autouse=True)
def _one_graph() -> Iterator[None]:
    with one_feature_graph():
        yield


@pytest.fixture(scope="module")
def trial(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Two steps a row, judged on one episode."""
    return Trial(
        base=TrainConfig.model_validate(RECIPE),
        steps=2,
        data_root=root / "data",
        weights_dir=root / "weights",
        cache_dir=root / "cache",
        out=tmp_path_factory.mktemp("rows"),
        test_set="tiny",
        episodes=1,
        min_area=64,
    )


@pytest.fixture(scope="module")
def results(trial: Trial) -> dict[str, RowResult]:
    """Every row, trained with seed 0."""
    found = run_ablation(trial, list(VARIANTS.values()), [0], _until_the_end)
    return {result.variant: result for result in found}


def _modules(trial: Trial, name: str) -> set[str]:
    """Parts of a trained row's network that hold parameters, without the backbone."""
    network, _ = load_network(trial.out / f"{name}-seed0" / "checkpoint.pt")
    return {part for part, _ in (n.split(".", 1) for n, _ in network.named_parameters())} - {
        "backbone"
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rows_differ_in_exactly_the_parts_they_name(
    trial: Trial, results: dict[str, RowResult]
) -> None:
    base = {"reduce_support", "reduce_query", "decoder"}
    assert _modules(trial, "baseline") == base
    assert _modules(trial, "saam") == base | {"saam"}
    assert _modules(trial, "sdpm") == base | {"sse"}
    for name in ("both", "no-prior", "integral", "separate"):
        assert _modules(trial, name) == base | {"saam", "sse"}, name
    fused = {
        name: read_checkpoint(trial.out / f"{name}-seed0" / "checkpoint.pt")["network"][
            "decoder.enter.0.conv.weight"
        ].shape[1]
        for name in VARIANTS
    }
    assert fused == {
        "baseline": 257, "saam": 258, "sdpm": 257, "both": 258, "no-prior": 257,
        "integral": 258, "separate": 258,
    }  # fmt: skip
    assert results["baseline"].parameters < results["saam"].parameters
    assert results["both"].parameters == results["separate"].parameters


def test_recipes_differ_in_what_the_rows_are_about_alone(trial: Trial) -> None:
    base = trial.base.model_dump()
    for variant in VARIANTS.values():
        recipe = variant.recipe(trial.base, steps=2, seed=4)
        changed = {key for key, value in recipe.model_dump().items() if value != base[key]}
        assert changed <= {"parts", "strategy", "shots", "seed", "stages"}
        assert (recipe.parts, recipe.shots) == (variant.parts, variant.shots)
        (stage,) = recipe.stages
        assert stage == trial.base.stages[0].model_copy(update={"steps": 2})


def test_rows_of_a_recipe_in_epochs_have_the_steps_that_were_asked_for(trial: Trial) -> None:
    stage = trial.base.stages[0].model_copy(update={"steps": 0, "epochs": 200.0})
    base = trial.base.model_copy(update={"stages": (stage,)})
    (own,) = VARIANTS["both"].recipe(base, steps=2, seed=0).in_steps(4000).stages
    assert (own.steps, own.epochs) == (2, None)


def test_a_recipe_that_starts_from_a_bundle_compares_nothing(trial: Trial) -> None:
    base = trial.base.model_copy(update={"start": (Path("model/bundles/lite"),)})
    with pytest.raises(AblationError, match="leave out `start`"):
        run_ablation(replace(trial, base=base), [VARIANTS["both"]], [0], _until_the_end)


def test_finished_rows_are_kept_and_another_setup_is_refused(
    trial: Trial, results: dict[str, RowResult]
) -> None:
    again = run_ablation(trial, [VARIANTS["baseline"]], [0], _not_at_all)
    assert again == [results["baseline"]]
    with pytest.raises(AblationError, match="another setup"):
        run_ablation(replace(trial, steps=3), [VARIANTS["baseline"]], [0], _until_the_end)


def test_files_of_a_row_are_replaced_as_a_whole(
    trial: Trial, results: dict[str, RowResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = replace(trial, out=trial.out / "whole")
    folder = shutil.copytree(trial.out / "baseline-seed0", apart.out / "baseline-seed0")

    def cut(path: Path, *_: Any, **__: Any) -> None:
        path.touch()
        raise OSError("killed")

    for name in ("setup.json", "result.json"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with monkeypatch.context() as context:
            context.setattr(Path, "write_text", cut)
            with pytest.raises(OSError, match="killed"):
                run_ablation(apart, [VARIANTS["baseline"]], [0], _until_the_end)
        assert not (folder / name).exists()
        (found,) = run_ablation(apart, [VARIANTS["baseline"]], [0], _until_the_end)
        assert found.class_iou == results["baseline"].class_iou
        if name == "setup.json":
            assert (folder / name).read_bytes() == content


@pytest.mark.parametrize("content", ["", "[1]", '{"variant": "baseline"}', "\x00"])
@pytest.mark.parametrize("name", ["setup.json", "result.json"])
def test_a_damaged_file_of_a_row_is_named(
    trial: Trial, results: dict[str, RowResult], tmp_path: Path, name: str, content: str
) -> None:
    apart = replace(trial, out=tmp_path)
    folder = shutil.copytree(trial.out / "baseline-seed0", tmp_path / "baseline-seed0")
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(AblationError, match=re.escape(str(folder))):
        run_ablation(apart, [VARIANTS["baseline"]], [0], _not_at_all)
    (folder / name).unlink()
    (found,) = run_ablation(apart, [VARIANTS["baseline"]], [0], _until_the_end)
    assert found.class_iou == results["baseline"].class_iou


def test_a_stopped_row_goes_on_to_the_end(trial: Trial, results: dict[str, RowResult]) -> None:
    polled: list[int] = []

    def after_the_first_step() -> bool:
        polled.append(0)
        return len(polled) > 1

    def stopping() -> AbstractContextManager[Callable[[], bool]]:
        return nullcontext(after_the_first_step)

    apart = replace(trial, out=trial.out / "apart")
    assert run_ablation(apart, [VARIANTS["saam"]], [0], stopping) == []
    checkpoint = read_checkpoint(apart.out / "saam-seed0" / "checkpoint.pt")
    assert checkpoint["progress"]["step"] == 1
    (found,) = run_ablation(apart, [VARIANTS["saam"]], [0], _until_the_end)
    assert found.class_iou == results["saam"].class_iou


def test_a_row_that_is_stopped_in_its_last_step_is_judged_when_it_goes_on(
    trial: Trial, results: dict[str, RowResult]
) -> None:
    apart = replace(trial, out=trial.out / "last")
    polls = iter([False, False])

    def stopping() -> AbstractContextManager[Callable[[], bool]]:
        return nullcontext(lambda: next(polls, True))

    assert run_ablation(apart, [VARIANTS["saam"]], [0], stopping) == []
    checkpoint = read_checkpoint(apart.out / "saam-seed0" / "checkpoint.pt")
    assert checkpoint["progress"]["step"] == 2
    (found,) = run_ablation(apart, [VARIANTS["saam"]], [0], _until_the_end)
    assert found.class_iou == results["saam"].class_iou


def test_an_interrupt_in_judging_leaves_the_rows_before_it(
    trial: Trial, results: dict[str, RowResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*_: Any, **__: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    (trial.out / "both-seed0" / "result.json").unlink()
    monkeypatch.setattr(ablation, "evaluate_episodes", judge)
    rows = [VARIANTS["baseline"], VARIANTS["both"], VARIANTS["saam"]]
    assert run_ablation(trial, rows, [0], stop_on_signals) == [results["baseline"]]
    monkeypatch.undo()
    assert run_ablation(trial, rows, [0], _until_the_end)[1].class_iou == results["both"].class_iou


def test_every_fold_is_left_out_of_a_training_of_its_own(trial: Trial, root: Path) -> None:
    base = TrainConfig.model_validate(RECIPE | {"unseen": {"fold": 0}})
    folds = replace(trial, base=base, folds=(1, 3))
    assert {fold: recipe.unseen for fold, recipe in folds.recipes.items()} == {
        fold: UnseenFold(fold=fold) for fold in (1, 3)
    }
    with pytest.raises(ConfigError, match="no fold 4"):
        _ = replace(trial, base=base, folds=(4,)).recipes


def test_rows_are_judged_at_another_side(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []

    def judge(network: SDAANet, **options: Any) -> EagerSegmenter:
        sides.append(network.input_side)
        return EagerSegmenter(network, **options)

    monkeypatch.setattr(ablation, "EagerSegmenter", judge)
    larger = replace(trial, input_side=97, out=trial.out / "larger")
    for setup in (larger, replace(trial, out=trial.out / "own")):
        assert run_ablation(setup, [VARIANTS["baseline"]], [0], _until_the_end)
    assert sides == [97, 65]
    with pytest.raises(AblationError, match="another setup"):
        run_ablation(replace(larger, input_side=129), [VARIANTS["baseline"]], [0], _until_the_end)


def test_what_cannot_be_judged_is_told_before_anything_trains(trial: Trial) -> None:
    apart = replace(trial, out=trial.out / "nothing")
    with pytest.raises(SubjectError, match="--device nowhere"):
        run_ablation(replace(apart, device="nowhere"), [VARIANTS["both"]], [0], _until_the_end)
    base = trial.base.model_copy(update={"preset": "base"})
    with pytest.raises(AblationError, match="a multiple of 16 plus 1, not 96"):
        run_ablation(
            replace(apart, base=base, input_side=96), [VARIANTS["both"]], [0], _until_the_end
        )
    assert not apart.out.exists()


def test_the_command_writes_the_table(
    capsys: pytest.CaptureFixture[str],
    root: Path,
    tmp_path: Path,
    trial: Trial,
) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    status = run_command(
        "ablate", config=config, data=root / "data", cache=trial.cache_dir,
        out=tmp_path, steps=1, seeds="0,1", rows="no-prior,both", test="tiny", episodes=1,
        min_area=64,
    )  # fmt: skip
    assert status == 0
    table = (tmp_path / "ablation.md").read_text(encoding="utf-8")
    assert table.strip() == capsys.readouterr().out.strip()
    figures = json.loads((tmp_path / "ablation.json").read_text())
    assert [(r["variant"], r["seed"]) for r in figures["results"]] == [
        ("no-prior", 0), ("both", 0), ("no-prior", 1), ("both", 1),
    ]  # fmt: skip
    assert "## The prior" in table
    assert "Distillation" not in table


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rows": "both,none"}, "no row none"),
        ({"shots": 1}, "2 shots"),
        ({"test": "x"}, "classes.csv"),
        ({"folds": "0,1"}, "has no folds"),
        ({"device": "nowhere", "min_area": 64, "rows": "both"}, "--device nowhere"),
        ({"shots": 9, "min_area": 64}, "10 images"),
        ({"steps": 0}, "0 is not a positive number"),
        ({"episodes": 0}, "0 is not a positive number"),
        ({"min_area": 0}, "0 is not a positive number"),
    ],
)
def test_wrong_options_are_told(
    capsys: pytest.CaptureFixture[str],
    root: Path,
    tmp_path: Path,
    options: dict[str, object],
    told: str,
) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    usual = {"config": config, "data": root / "data", "out": tmp_path, "test": "tiny"}
    assert run_command("ablate", **{**usual, **options}) == 2
    assert told in capsys.readouterr().err


def _result(variant: str, seed: int, mean_iou: float) -> RowResult:
    return RowResult(variant, seed, 1_500_000, 1.0, mean_iou, 60.0, {})


def _rows(table: str) -> list[str]:
    """The rows of a table without the padding of its cells."""
    lines = (line.strip("|").split("|") for line in table.splitlines() if line.startswith("|"))
    return ["|".join(cell.strip() for cell in cells) for cells in lines]


def test_a_gain_is_paired_by_seed() -> None:
    rows = [
        _result("a", 0, 40), _result("b", 0, 42), _result("a", 1, 50), _result("b", 1, 51),
        _result("b", 2, 99),
    ]  # fmt: skip
    assert gain(rows, "b", "a") == [2, 1]
    assert gain(rows, "b", "c") == []


def test_a_mean_is_over_the_folds_of_a_seed_that_are_all_there() -> None:
    rows = [
        replace(_result(variant, seed, mean_iou), fold=fold)
        for variant, seed, fold, mean_iou in (
            ("baseline", 0, 0, 40), ("baseline", 0, 1, 50), ("baseline", 1, 0, 44),
            ("baseline", 1, 1, 54), ("saam", 0, 0, 43), ("saam", 0, 1, 51), ("saam", 1, 0, 99),
        )
    ]  # fmt: skip
    assert gain(rows, "saam", "baseline") == [2.0]
    table = markdown(GROUPS, rows, "About.")
    assert "47.00 ± 2.83" in table  # 45 and 49
    assert "saam|yes||yes||1|1.50|47.00|60.00|+2.00" in _rows(table)


def test_the_table_tells_spread_and_gain() -> None:
    rows = [_result("baseline", 0, 40), _result("baseline", 1, 42)]
    rows += [_result("saam", 0, 41.5), _result("saam", 1, 43.5)]
    table = markdown(GROUPS, rows, "About.")
    assert "baseline|||yes||1|1.50|41.00 ± 1.41|60.00 ± 0.00|" in _rows(table)
    assert "saam|yes||yes||1|1.50|42.50 ± 1.41|60.00 ± 0.00|+1.50 ± 0.00" in _rows(table)
    assert "sdpm" not in table


def test_one_seed_has_no_spread() -> None:
    assert spread([3.0], digits=2, sign="+") == "+3.00"


def test_strategies_are_compared_at_the_same_shots() -> None:
    (group,) = [g for g in comparisons(5) if len({v.strategy for v in g.rows}) > 1]
    assert isinstance(group, Comparison)
    assert {variant.shots for variant in group.rows} == {5}
    first, second = group.rows
    assert first == Variant("integral", second.parts, "integral", 5)
