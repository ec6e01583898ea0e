"""Episodes in some of which the query lacks the class."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.contract import logit, upsample_logits
from model.data.datasets import BACKGROUND, DatasetError, LabelledImages, class_areas
from model.data.episodes import ClassIndex, Episode, binary_labels, draw_episode
from model.evaluation.metrics import IoUTotals
from model.evaluation.presence import presence_auroc
from model.evaluation.segmenter import Segmenter, label_at, predict_query

USUAL_ABSENT = 0.5  # share of the queries


class AbsenceList(NamedTuple):
    """A list of episodes: episode i is a pure function of the list and i.

    absent: class index → images that may be its queries without it, see `absent_queries`.
    share: probability that the query is such an image.
    names: class index → name, for messages.
    """

    classes: ClassIndex
    absent: Mapping[int, NDArray[np.int64]]
    share: float
    shots: int
    episodes: int
    seed: int
    names: Mapping[int, str] = MappingProxyType({})

    def draw(self, number: int) -> tuple[Episode, bool]:
        """Episode `number`, and whether its query holds the class.

        Where the query holds the class, the episode is the same as in the plain list of that seed,
        so that both lists can be compared.

        Raises:
            DatasetError: no image lacks the class.
        """
        episode = draw_episode(self.classes, shots=self.shots, seed=self.seed, number=number)
        rng = np.random.default_rng((self.seed, number, 1))
        if rng.random() >= self.share:
            return episode, True
        images = self.absent[episode.class_index]
        if not len(images):
            name = self.names.get(episode.class_index, f"class {episode.class_index}")
            raise DatasetError(
                f"no image is known to lack {name}: to judge its absence, add images of other "
                "classes, or some whose label maps are 0 alone"
            )
        return episode._replace(query=int(rng.choice(images))), False


@dataclass(frozen=True)
class AbsenceReport:
    """Result of an `AbsenceList`, in percent; AUROCs and the threshold are in [0, 1].

    The gate empties predictions whose presence score is below `presence_threshold`; without a
    threshold there is no gate, and its figures are None. Absent queries count in the IoU: all that
    is predicted in them adds to the union. `auroc_unseen` counts only those absent queries whose
    images cannot have been in training; None where these are not known.
    """

    episodes: int
    shots: int
    seed: int
    absent: float
    auroc: float
    mean_iou: float
    fb_iou: float
    class_iou: dict[str, float]
    presence_threshold: float | None = None
    gated_mean_iou: float | None = None
    gated_fb_iou: float | None = None
    present_kept: float | None = None
    absent_emptied: float | None = None
    auroc_unseen: float | None = None
    kind: Literal["absence"] = "absence"


class _Case(NamedTuple):
    query: int
    class_index: int
    present: bool
    score: float
    mask: NDArray[np.bool_]
    label: NDArray[np.uint8]


def absent_queries(
    dataset: LabelledImages, classes: ClassIndex, images: Iterable[int] | None = None
) -> dict[int, NDArray[np.int64]]:
    """For each class: the images that do not show it, ignored crowds included, but another one.

    A class without such images, as the one defect of a set, has those that are background alone.

    Args:
        dataset: images and labels.
        classes: to find images for.
        images: to choose from, in ascending order; every image of the set by default.
    """
    among = range(len(dataset)) if images is None else images
    shown = {index: class_areas(dataset, index).keys() for index in among}
    found = {c: [i for i, each in shown.items() if each and c not in each] for c in classes.images}
    if not all(found.values()):
        plain = [i for i, each in shown.items() if not each and _is_background(dataset, i)]
        found = {c: rows or plain for c, rows in found.items()}
    return {c: np.array(rows, np.int64) for c, rows in found.items()}


def _is_background(dataset: LabelledImages, index: int) -> bool:
    """Whether an image is labelled as background alone; what is ignored may be of any class."""
    return bool((dataset.label(index) == BACKGROUND).all())


def evaluate_absence(
    segmenter: Segmenter,
    dataset: LabelledImages,
    episodes: AbsenceList,
    *,
    threshold: float,
    presence_threshold: float | None,
    label_side: int | None = None,
    unseen: Collection[int] = (),
    progress: bool = False,
) -> AbsenceReport:
    """Run a list; evaluate the presence score, and with a threshold the gate.

    Args:
        segmenter: to evaluate.
        dataset: images and labels.
        episodes: the list.
        threshold: foreground probability from which a pixel is predicted.
        presence_threshold: presence score below which a prediction is emptied.
        label_side: compare at this square side instead of the images' own size.
        unseen: images that cannot have been in training, if they are known.
        progress: show a bar.

    Raises:
        ValueError: see `presence_auroc`.
    """
    totals, gated = IoUTotals(), IoUTotals()
    gate = -np.inf if presence_threshold is None else presence_threshold
    present, scores, among = [], [], []
    for case in _cases(segmenter, dataset, episodes, logit(threshold), label_side, progress):
        totals.update(case.class_index, case.mask, case.label)
        gated.update(case.class_index, case.mask & (case.score >= gate), case.label)
        present.append(case.present)
        scores.append(case.score)
        among.append(case.present or case.query in unseen)
    auroc = presence_auroc(present, scores)
    report = AbsenceReport(
        episodes=episodes.episodes,
        shots=episodes.shots,
        seed=episodes.seed,
        absent=100 * (1 - float(np.mean(present))),
        auroc=auroc,
        mean_iou=100 * totals.mean_iou(),
        fb_iou=100 * totals.fb_iou(),
        class_iou=totals.named_percent(dataset.class_names),
        auroc_unseen=_auroc_among(among, present, scores),
    )
    if presence_threshold is None:
        return report
    holds, kept = np.asarray(present), np.asarray(scores) >= presence_threshold
    return replace(
        report,
        presence_threshold=presence_threshold,
        gated_mean_iou=100 * gated.mean_iou(),
        gated_fb_iou=100 * gated.fb_iou(),
        present_kept=100 * float(kept[holds].mean()),
        absent_emptied=100 * float((~kept[~holds]).mean()),
    )


def _auroc_among(
    among: Sequence[bool], present: Sequence[bool], scores: Sequence[float]
) -> float | None:
    kept = [
        (holds, score) for each, holds, score in zip(among, present, scores, strict=True) if each
    ]
    if all(holds for holds, _ in kept):
        return None
    return presence_auroc(*zip(*kept, strict=True))


def _cases(
    segmenter: Segmenter,
    dataset: LabelledImages,
    episodes: AbsenceList,
    min_logit: float,
    label_side: int | None,
    progress: bool,
) -> Iterator[_Case]:
    description = f"{episodes.shots}-shot, seed {episodes.seed}, absent {episodes.share:g}"
    for number in tqdm(range(episodes.episodes), description, disable=not progress):
        episode, holds = episodes.draw(number)
        prediction, label = predict_query(segmenter, dataset, episode)
        label = binary_labels(label_at(label, label_side), episode.class_index)
        mask = upsample_logits(prediction.logits, *label.shape) >= min_logit
        yield _Case(episode.query, episode.class_index, holds, prediction.presence, mask, label)
