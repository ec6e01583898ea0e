"""Which lists an evaluation runs: folds, shots and seeds, in one of three modes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.data.datasets import LabelledImages, class_areas
from model.data.episodes import (
    ClassIndex,
    fold_class_names,
    index_classes,
    require_episodes,
)
from model.data.folds import FoldScheme, barred_classes
from model.evaluation.absence import (
    USUAL_ABSENT,
    AbsenceList,
    absent_queries,
    evaluate_absence,
)
from model.evaluation.episodes import evaluate_episodes
from model.evaluation.generalised import draw_supports, evaluate_generalised
from model.evaluation.images import RecentImages
from model.evaluation.records import Report, Result, Subject
from model.evaluation.segmenter import Segmenter

Mode = Literal["episodes", "absence", "generalised"]


class PlanError(ValueError):
    """Options of an evaluation contradict each other; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run.

    Attributes:
        mode: plain episodes, episodes of which a share lacks the class, or whole label maps.
        folds: test classes of each; (None,) for every class of the set.
        scheme: whose folds they are.
        shots: numbers K.
        seeds: of the lists.
        episodes: of each list.
        min_area: pixels from which a class counts in an image.
        threshold: foreground probability from which a pixel is predicted.
        label_side: compare at this square side; None for the images' own size.
        absent: share of queries that lack the class.
        presence_threshold: score from which a class counts as present; none: no gate.

    Raises:
        PlanError: the options contradict each other.
    """

    mode: Mode
    folds: tuple[int | None, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    episodes: int
    min_area: int
    threshold: float
    label_side: int | None = None
    absent: float = USUAL_ABSENT
    presence_threshold: float | None = None
    scheme: FoldScheme = "pascal"

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise PlanError(f"--threshold is a probability between 0 and 1, not {self.threshold:g}")
        if not 0 < self.absent < 1:
            raise PlanError(f"--absent is a share between 0 and 1, not {self.absent:g}")
        if min(self.episodes, *self.shots) < 1:
            raise PlanError("--episodes and --shots are at least 1")
        if min(self.seeds) < 0:
            raise PlanError(f"--seeds are numbers from 0 on, not {min(self.seeds)}")
        asked = {"--folds": self.folds, "--shots": self.shots, "--seeds": self.seeds}
        for option, values in asked.items():
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise PlanError(f"{option} names {twice[0]} twice")
        if self.mode == "generalised" and None in self.folds:
            raise PlanError("--generalised needs --folds, whose classes are the novel ones")


class PlannedRun:
    """A plan on a set; `results` runs it.

    Args:
        plan: what to run.
        segmenter: to evaluate.
        subject: its record.
        dataset: images and labels.
        progress: show bars.
    """

    def __init__(
        self,
        plan: Plan,
        segmenter: Segmenter,
        subject: Subject,
        dataset: LabelledImages,
        *,
        progress: bool,
    ) -> None:
        self._plan, self._segmenter, self._subject = plan, segmenter, subject
        self._dataset, self._progress = dataset, progress
        self._recent = RecentImages(dataset)

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return {name: index for index, name in self._dataset.class_names.items()}

    @cached_property
    def _every_class(self) -> ClassIndex:
        return index_classes(self._dataset, tuple(self._by_name.values()), self._plan.min_area)

    def _class_names(self, fold: int | None) -> tuple[str, ...]:
        return fold_class_names(self._dataset, fold, self._plan.scheme)

    def _classes(self, fold: int | None) -> ClassIndex:
        indices = [self._by_name[name] for name in self._class_names(fold)]
        return ClassIndex({c: self._every_class.images[c] for c in indices})

    def results(self) -> Iterator[Result]:
        """Run list after list, by shots, fold and seed.

        Raises:
            DatasetError: the set lacks what the plan asks for; where that is images, of any list,
                before the first one runs.
            ValueError: a list is too short to be judged.
        """
        self._require_images()
        for shots in self._plan.shots:
            for fold in self._plan.folds:
                names = self._class_names(fold)
                for seed in self._plan.seeds:
                    started = time.monotonic()
                    report = self._report(fold, shots, seed)
                    yield Result(
                        fold=fold,
                        seen=self._subject.has_seen(self._dataset.name, names, fold=fold),
                        seconds=round(time.monotonic() - started, 1),
                        report=report,
                    )

    def _require_images(self) -> None:
        """Check that every list can be drawn, or the last would lose what the first ones found."""
        if self._plan.mode == "generalised":
            draw_supports(self._every_class, shots=max(self._plan.shots), seed=0)
        else:
            require_episodes(map(self._classes, self._plan.folds), self._plan.shots)

    @cached_property
    def _absent_queries(self) -> dict[int, NDArray[np.int64]]:
        return absent_queries(self._dataset, self._every_class)

    @cached_property
    def _unseen(self) -> frozenset[int]:
        """Images with a class that training left out, with every image that shows it."""
        barred = barred_classes(
            self._dataset.class_names, frozenset(self._subject.excluded_classes)
        )
        every = range(len(self._dataset))
        return frozenset(i for i in every if not barred.isdisjoint(class_areas(self._dataset, i)))

    def _absence_list(self, classes: ClassIndex, shots: int, seed: int) -> AbsenceList:
        return AbsenceList(
            classes,
            self._absent_queries,
            self._plan.absent,
            shots,
            self._plan.episodes,
            seed,
            self._dataset.class_names,
        )

    def _report(self, fold: int | None, shots: int, seed: int) -> Report:
        plan, classes = self._plan, self._classes(fold)
        if plan.mode == "absence":
            return evaluate_absence(
                self._segmenter,
                self._recent,
                self._absence_list(classes, shots, seed),
                threshold=plan.threshold,
                presence_threshold=plan.presence_threshold,
                label_side=plan.label_side,
                unseen=self._unseen,
                progress=self._progress,
            )
        if plan.mode == "generalised":
            return evaluate_generalised(
                self._segmenter,
                self._recent,
                self._every_class,
                tuple(classes.images),
                shots=shots,
                images=plan.episodes,
                seed=seed,
                threshold=plan.threshold,
                label_side=plan.label_side,
                progress=self._progress,
            )
        return evaluate_episodes(
            self._segmenter,
            self._recent,
            classes,
            shots=shots,
            episodes=plan.episodes,
            seed=seed,
            threshold=plan.threshold,
            label_side=plan.label_side,
            progress=self._progress,
        )
