"""Calibrates the presence score of a trained network on classes that are not unseen ones."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F
from tqdm import tqdm

from model.build import PresenceRecord
from model.contract import sigmoid
from model.data.datasets import DatasetError, LabelledImages
from model.data.episodes import ClassIndex
from model.data.mixture import classes_without, images_without
from model.evaluation.absence import AbsenceList, absent_queries
from model.evaluation.images import RecentImages
from model.evaluation.presence import need_both_kinds, youden_threshold
from model.evaluation.segmenter import show_supports
from model.nets import SDAANet
from model.segmenters import EagerSegmenter

_MIN_CENTRE_IMAGES = 400  # or all; every nth is taken, so fewer than twice as many


class Calibration(NamedTuple):
    """Episodes of which half lack the class, drawn from images without unseen classes."""

    episodes: AbsenceList
    images: NDArray[np.int64]


def calibration_episodes(
    dataset: LabelledImages,
    classes: ClassIndex,
    *,
    excluded: frozenset[str],
    shots: int,
    episodes: int,
    seed: int,
) -> Calibration:
    """Episodes to calibrate on, from images without unseen classes.

    Args:
        dataset: images and labels.
        classes: to draw from.
        excluded: names of the checkpoint's unseen classes, which no image may show.
        shots: K.
        episodes: how many.
        seed: of the list.

    Raises:
        DatasetError: every class that may be asked for is an unseen one.
    """
    without = images_without(dataset, excluded)
    kept = classes_without(dataset, classes, excluded, without)
    if not kept.images:
        raise DatasetError(
            "every class to ask for is unseen by this checkpoint: take other --folds, or "
            "another set"
        )
    absent = absent_queries(dataset, kept, without)
    drawn = AbsenceList(kept, absent, 0.5, shots, episodes, seed, dataset.class_names)
    return Calibration(drawn, np.asarray(without, np.int64))


def calibrate(
    network: SDAANet, dataset: LabelledImages, calibration: Calibration, *, progress: bool = False
) -> PresenceRecord:
    """Centre, coefficients and threshold of a network's presence score.

    The network's own centre is overwritten, since the evidence is measured from it; coefficients
    and threshold are left to `model.build.load_presence`.

    Raises:
        ValueError: the network has no prior, or all queries hold the class, or none does.
    """
    if network.presence is None:
        raise ValueError("a network without the prior has no presence score")
    segmenter, recent = EagerSegmenter(network), RecentImages(dataset)
    centre = _centre(segmenter, recent, calibration.images, progress)
    network.presence.centre.copy_(centre)
    evidence, present = [], []
    for number in tqdm(range(calibration.episodes.episodes), "calibration", disable=not progress):
        episode, holds = calibration.episodes.draw(number)
        supports = show_supports(segmenter, recent, episode)
        key, image = (dataset.name, episode.query), recent.read(episode.query)[0]
        evidence.append(segmenter.evidence(key, image, supports))
        present.append(holds)
    need_both_kinds(present)
    coefficients, intercept = _fit(np.stack(evidence), present)
    scores = sigmoid(np.stack(evidence) @ coefficients + intercept)
    return PresenceRecord(
        centre=centre,
        coefficients=torch.from_numpy(coefficients.astype(np.float32)),
        intercept=intercept,
        threshold=youden_threshold(present, scores.tolist()),
    )


def _centre(
    segmenter: EagerSegmenter, images: RecentImages, chosen: NDArray[np.int64], progress: bool
) -> torch.Tensor:
    """Mean (D,) of the L2-normalised high-level features of evenly chosen images."""
    step = max(1, len(chosen) // _MIN_CENTRE_IMAGES)
    means = []
    for index in tqdm(chosen[::step], "centre", disable=not progress):
        high = segmenter.high_feature((images.name, int(index)), images.read(int(index))[0])
        means.append(F.normalize(high.flatten(2), dim=1).mean(dim=(0, 2)).cpu())
    return torch.stack(means).mean(dim=0)


def _fit(evidence: NDArray[np.float32], present: list[bool]) -> tuple[NDArray[np.float64], float]:
    """Logistic regression on standardised evidence, as coefficients of the evidence itself."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(evidence, present)
    scaler, regression = model[0], model[1]
    coefficients = regression.coef_[0] / scaler.scale_
    return coefficients, float(regression.intercept_[0] - coefficients @ scaler.mean_)
