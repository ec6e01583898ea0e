"""Generalised few-shot segmentation: base and novel classes in one label map."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.contract import logit, upsample_logits
from model.data.datasets import BACKGROUND, DatasetError, LabelledImages
from model.data.episodes import NOT_COUNTED, ClassIndex
from model.evaluation.metrics import LabelMapTotals
from model.evaluation.segmenter import Segmenter, label_at, show_support


@dataclass(frozen=True)
class GeneralisedReport:
    """Result over whole label maps; IoU in percent, classes by name.

    `harmonic_iou` is the harmonic mean of base and novel mIoU. Every class, base ones too, is
    known from its K supports alone.
    """

    images: int
    shots: int
    seed: int
    base_iou: float
    novel_iou: float
    harmonic_iou: float
    background_iou: float
    class_iou: dict[str, float]
    kind: Literal["generalised"] = "generalised"


def evaluate_generalised(
    segmenter: Segmenter,
    dataset: LabelledImages,
    classes: ClassIndex,
    novel: Sequence[int],
    *,
    shots: int,
    images: int,
    seed: int,
    threshold: float,
    label_side: int | None = None,
    progress: bool = False,
) -> GeneralisedReport:
    """Register every class once, then label images with all of them.

    Args:
        segmenter: to evaluate.
        dataset: images and labels; every image that is not a support may be a query.
        classes: base and novel classes and their images.
        novel: which of them are novel.
        shots: K of each class.
        images: how many queries, each another image, in an order drawn from the seed; all that are
            left, if they are fewer.
        seed: of supports and queries.
        threshold: foreground probability below which a pixel is background.
        label_side: compare at this square side instead of the images' own size.
        progress: show a bar.

    Raises:
        DatasetError: a class has too few images, or no query is left.
    """
    supports = draw_supports(classes, shots=shots, seed=seed)
    queries = _queries(len(dataset), supports, seed)[:images]
    shown = {
        c: [show_support(segmenter, dataset, c, index) for index in indices]
        for c, indices in tqdm(supports.items(), "supports", disable=not progress)
    }
    totals = LabelMapTotals()
    min_logit = logit(threshold)
    for query in tqdm(queries, f"{shots}-shot, seed {seed}", disable=not progress):
        image, label = dataset.read(int(query))
        label = label_at(label, label_side)
        answers = (
            (
                c,
                upsample_logits(
                    segmenter.segment((dataset.name, int(query)), image, s).logits, *label.shape
                ),
            )
            for c, s in shown.items()
        )
        totals.update(fuse_classes(answers, min_logit), label)
    return _report(totals, dataset.class_names, novel, len(queries), shots, seed)


def draw_supports(classes: ClassIndex, *, shots: int, seed: int) -> dict[int, list[int]]:
    """K images of each class, drawn from (seed, class): another class more changes no other's.

    Raises:
        DatasetError: a class has fewer images.
    """
    drawn = {}
    for c, rows in sorted(classes.images.items()):
        if len(rows) < shots:
            raise DatasetError(
                f"class {c} has {len(rows)} images, {shots} supports are needed; {NOT_COUNTED}"
            )
        chosen = np.random.default_rng((seed, c)).choice(rows, size=shots, replace=False)
        drawn[c] = [int(index) for index in chosen]
    return drawn


def fuse_classes(
    answers: Iterator[tuple[int, NDArray[np.float32]]], min_logit: float
) -> NDArray[np.int64]:
    """One label map (H, W) from the logits (H, W) of several classes (docs/adr/0004).

    A pixel goes to its best class if that one reaches `min_logit`, else to the background.
    """
    indices, logits = zip(*answers, strict=True)
    stacked = np.stack(logits)  # (N, H, W)
    best = np.asarray(indices, np.int64)[stacked.argmax(axis=0)]
    return np.where(stacked.max(axis=0) >= min_logit, best, BACKGROUND)


def _queries(count: int, supports: Mapping[int, list[int]], seed: int) -> NDArray[np.int64]:
    shown = [index for indices in supports.values() for index in indices]
    left = np.setdiff1d(np.arange(count), shown)
    if not len(left):
        raise DatasetError("every image is a support: no query is left")
    return np.random.default_rng(seed).permutation(left)


def _report(
    totals: LabelMapTotals,
    names: Mapping[int, str],
    novel: Sequence[int],
    images: int,
    shots: int,
    seed: int,
) -> GeneralisedReport:
    # What a label map holds beside the set's classes has no name, and is none of them.
    iou = {c: v for c, v in totals.class_iou().items() if c in names or c == BACKGROUND}
    base_iou = _mean([value for c, value in iou.items() if c not in (*novel, BACKGROUND)])
    novel_iou = _mean([value for c, value in iou.items() if c in novel])
    total = base_iou + novel_iou
    return GeneralisedReport(
        images=images,
        shots=shots,
        seed=seed,
        base_iou=base_iou,
        novel_iou=novel_iou,
        harmonic_iou=2 * base_iou * novel_iou / total if total else 0.0,
        background_iou=100 * iou.get(BACKGROUND, 0.0),
        class_iou={names[c]: 100 * value for c, value in iou.items() if c != BACKGROUND},
    )


def _mean(values: Sequence[float]) -> float:
    if not values:
        raise DatasetError("no query holds a class of both kinds: take more images")
    return 100 * float(np.mean(values))
