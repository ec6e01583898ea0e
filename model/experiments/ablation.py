"""Trains and judges every row of the ablation, each with the same seeds, steps and episodes."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import torch

from model.build import build_network, load_network
from model.contract import replace_text
from model.data.datasets import LabelledImages, open_dataset
from model.data.episodes import MIN_AREA, ClassIndex, asked_classes, require_episodes
from model.evaluation import evaluate_episodes
from model.evaluation.segmenter import DEFAULT_THRESHOLD
from model.experiments.variants import AblationError, Variant
from model.segmenters import EagerSegmenter
from model.subject import on_device, require_device
from model.training import CHECKPOINT_FILE, Run, TrainConfig, has_checkpoint

SETUP_FILE, RESULT_FILE = "setup.json", "result.json"

# Around a training; inside, what it gives says whether the training should stop.
Stopping = Callable[[], AbstractContextManager[Callable[[], bool]]]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The settings that all rows share.

    Attributes:
        base: the recipe whose first stage every row trains.
        steps: of that stage.
        data_root: folder of the sets.
        weights_dir: starting weights.
        cache_dir: feature cache, shared by all rows.
        out: folder of the rows.
        test_set: name of the set to test on.
        episodes: of the test list.
        episode_seed: of the test list.
        min_area: pixels from which a class counts.
        folds: folds to exclude and test, each in a training of its own; None: the recipe's fold.
        input_side: for testing, pixels; None: the recipe's.
        device: for testing.
    """

    base: TrainConfig
    steps: int
    data_root: Path
    weights_dir: Path
    cache_dir: Path
    out: Path
    test_set: str
    episodes: int
    episode_seed: int = 0
    min_area: int = MIN_AREA
    folds: tuple[int, ...] | None = None
    input_side: int | None = None
    device: str = "cpu"

    @cached_property
    def test(self) -> LabelledImages:
        """The test set."""
        return open_dataset(self.data_root / self.test_set)

    @cached_property
    def recipes(self) -> dict[int | None, TrainConfig]:
        """The recipe for each fold; None is the recipe as it is."""
        if self.folds is None:
            return {None: self.base}
        return {fold: self.base.for_fold(fold) for fold in self.folds}

    @cached_property
    def classes(self) -> dict[int | None, ClassIndex]:
        """The test classes for each fold: the unseen ones, or all where none are."""
        return {fold: self._asked(recipe) for fold, recipe in self.recipes.items()}

    def _asked(self, recipe: TrainConfig) -> ClassIndex:
        unseen = recipe.unseen
        if unseen is None:
            return asked_classes(self.test, None, self.min_area)
        return asked_classes(self.test, [unseen.fold], self.min_area, unseen.scheme)


@dataclass(frozen=True)
class RowResult:
    """A row at one seed, and for one fold if folds were asked for; IoU in percent."""

    variant: str
    seed: int
    parameters: int  # behind the backbone
    minutes: float
    mean_iou: float
    fb_iou: float
    class_iou: dict[str, float]
    fold: int | None = None


def run_ablation(
    trial: Trial,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    stopping: Stopping,
) -> list[RowResult]:
    """Every variant at every seed and fold, seeds outermost, so that whole tables come first.

    What is finished in `trial.out` is kept, and a row that was stopped goes on. An interrupt while
    a row is prepared or judged ends the list, too.

    Raises:
        AblationError: a row there has another setup or a file that cannot be read, the recipe
            starts from a bundle, or its network cannot be judged at the side that was asked for.
        model.subject.SubjectError: no such device.
        model.training.ConfigError: no such fold.
        model.data.datasets.DatasetError: a set is missing, or lacks a class or images of it.
        model.training.DivergedError: a row diverged; those before it are kept.
    """
    if trial.base.start:
        raise AblationError(
            "the recipe starts from a bundle, whose decoder fits those rows alone that have the "
            "bundle's parts: leave out `start`"
        )
    _check_judging(trial, variants)
    results: list[RowResult] = []
    for seed, fold, variant in product(seeds, trial.recipes, variants):
        try:
            result = run_row(trial, variant, seed, fold, stopping)
        except KeyboardInterrupt:
            result = None
        if result is None:
            break
        results.append(result)
    return results


def _check_judging(trial: Trial, variants: Sequence[Variant]) -> None:
    """Fail before any training if something is missing for testing."""
    require_episodes(trial.classes.values(), [variant.shots for variant in variants])
    config = trial.base.network
    try:
        with torch.device("meta"):  # shapes without memory
            build_network(config.at_side(trial.input_side or config.input_side))
    except ValueError as exc:
        raise AblationError(str(exc)) from exc
    require_device(trial.device)


def run_row(
    trial: Trial, variant: Variant, seed: int, fold: int | None, stopping: Stopping
) -> RowResult | None:
    """Train and test one row at one seed and fold; None if it was stopped."""
    recipe = variant.recipe(trial.recipes[fold], steps=trial.steps, seed=seed)
    of_fold = "" if fold is None else f"-fold{fold}"
    folder = trial.out / f"{variant.name}{of_fold}-seed{seed}"
    _claim(folder, recipe, trial)
    finished = folder / RESULT_FILE
    if finished.is_file():
        return _finished(finished)
    run = Run(
        recipe,
        out=folder,
        data_root=trial.data_root,
        weights_dir=trial.weights_dir,
        cache_dir=trial.cache_dir,
    )
    if has_checkpoint(folder):
        run.resume()
    with stopping() as should_stop:
        run.train(should_stop)
        if should_stop():  # behind the last step, too: the row is judged when it goes on
            return None
    result = _judge(trial, variant, seed, fold, folder, run.minutes)
    replace_text(finished, json.dumps(asdict(result), indent=2) + "\n")
    return result


def _claim(folder: Path, recipe: TrainConfig, trial: Trial) -> None:
    """Note the row's setup in its folder, or check the one that is there."""
    setup: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"),
        "test": [trial.test_set, trial.episodes, trial.episode_seed, trial.min_area],
    }
    if trial.input_side is not None:
        setup["input_side"] = trial.input_side
    path = folder / SETUP_FILE
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(setup, indent=2) + "\n")
    elif _read_json(path) != setup:
        raise AblationError(f"{folder} holds a row of another setup: use another --out")


def _finished(path: Path) -> RowResult:
    values = _read_json(path)
    try:
        return RowResult(**values)
    except TypeError as exc:
        raise AblationError(f"{path} holds no result of a row: remove it to judge again") from exc


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise AblationError(
            f"{path} cannot be read: if it is damaged, remove it, and the same command goes on"
        ) from exc


def _judge(
    trial: Trial, variant: Variant, seed: int, fold: int | None, folder: Path, minutes: float
) -> RowResult:
    network, _ = load_network(folder / CHECKPOINT_FILE, input_side=trial.input_side)
    report = evaluate_episodes(
        EagerSegmenter(on_device(network, trial.device), near_views=False),
        trial.test,
        trial.classes[fold],
        shots=variant.shots,
        episodes=trial.episodes,
        seed=trial.episode_seed,
        threshold=DEFAULT_THRESHOLD,
        progress=True,
    )
    backbone = sum(p.numel() for p in network.backbone.parameters())
    return RowResult(
        variant=variant.name,
        seed=seed,
        parameters=sum(p.numel() for p in network.parameters()) - backbone,
        minutes=round(minutes, 2),
        mean_iou=report.mean_iou,
        fb_iou=report.fb_iou,
        class_iou=report.class_iou,
        fold=fold,
    )
