"""Trains and judges every row of the ablation, each with the same seeds, steps and episodes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from model.build import load_network
from model.data.datasets import LabelledImages, open_dataset
from model.data.episodes import MIN_AREA, ClassIndex, asked_classes, draw_episode
from model.evaluation import evaluate_episodes
from model.evaluation.segmenter import DEFAULT_THRESHOLD
from model.experiments.variants import AblationError, Variant
from model.segmenters import EagerSegmenter
from model.training import CHECKPOINT_FILE, Run, TrainConfig, has_checkpoint

SETUP_FILE, RESULT_FILE = "setup.json", "result.json"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is the same for every row.

    Attributes:
        base: the recipe whose first stage every row trains.
        steps: of that stage.
        data_root: folder of the sets.
        weights_dir: starting weights.
        cache_dir: feature cache, shared by all rows.
        out: folder of the rows.
        test_set: name of the set that is judged on.
        episodes: of the test list.
        episode_seed: of the test list.
        min_area: pixels from which a class counts.
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

    @cached_property
    def test(self) -> tuple[LabelledImages, ClassIndex]:
        """The test set, and in it the fold that the recipe leaves unseen, or all classes."""
        dataset = open_dataset(self.data_root / self.test_set)
        unseen = self.base.unseen
        if unseen is None:
            return dataset, asked_classes(dataset, None, self.min_area)
        return dataset, asked_classes(dataset, [unseen.fold], self.min_area, unseen.scheme)


@dataclass(frozen=True)
class RowResult:
    """A row at one seed; IoU in percent."""

    variant: str
    seed: int
    parameters: int  # behind the backbone
    minutes: float
    mean_iou: float
    fb_iou: float
    class_iou: dict[str, float]


def run_ablation(
    trial: Trial,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    should_stop: Callable[[], bool],
) -> list[RowResult]:
    """Every variant at every seed, seeds outermost, so that whole tables come first.

    What is finished in `trial.out` is kept, and a row that was stopped goes on.

    Raises:
        AblationError: a row there has another setup, or the recipe starts from a bundle.
        model.data.datasets.DatasetError: a set is missing, or lacks a class or images of it.
    """
    if trial.base.start:
        raise AblationError(
            "the recipe starts from a bundle, whose decoder fits those rows alone that have the "
            "bundle's parts: leave out `start`"
        )
    _, classes = trial.test
    for variant in variants:  # tells what is missing before anything trains
        draw_episode(classes, shots=variant.shots, seed=trial.episode_seed, number=0)
    results: list[RowResult] = []
    for seed in seeds:
        for variant in variants:
            result = run_row(trial, variant, seed, should_stop)
            if result is None:
                return results
            results.append(result)
    return results


def run_row(
    trial: Trial, variant: Variant, seed: int, should_stop: Callable[[], bool]
) -> RowResult | None:
    """Train and judge one row at one seed; none when it was stopped."""
    recipe = variant.recipe(trial.base, steps=trial.steps, seed=seed)
    folder = trial.out / f"{variant.name}-seed{seed}"
    _claim(folder, recipe, trial)
    finished = folder / RESULT_FILE
    if finished.is_file():
        return RowResult(**json.loads(finished.read_text(encoding="utf-8")))
    if should_stop():
        return None
    run = Run(
        recipe,
        out=folder,
        data_root=trial.data_root,
        weights_dir=trial.weights_dir,
        cache_dir=trial.cache_dir,
    )
    if has_checkpoint(folder):
        run.resume()
    run.train(should_stop)
    if run.step < trial.steps:
        return None
    result = _judge(trial, variant, seed, folder, run.minutes)
    finished.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    return result


def _claim(folder: Path, recipe: TrainConfig, trial: Trial) -> None:
    """Note the row's setup in its folder, or check the one that is there."""
    setup: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"),
        "test": [trial.test_set, trial.episodes, trial.episode_seed, trial.min_area],
    }
    path = folder / SETUP_FILE
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(setup, indent=2) + "\n", encoding="utf-8")
    elif json.loads(path.read_text(encoding="utf-8")) != setup:
        raise AblationError(f"{folder} holds a row of another setup: use another --out")


def _judge(trial: Trial, variant: Variant, seed: int, folder: Path, minutes: float) -> RowResult:
    network, _ = load_network(folder / CHECKPOINT_FILE)
    dataset, classes = trial.test
    report = evaluate_episodes(
        EagerSegmenter(network),
        dataset,
        classes,
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
    )
