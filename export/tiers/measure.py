"""The accuracy of a tier compared with fp32, on the same episodes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.contract import logit, upsample_logits
from model.data.datasets import LabelledImages
from model.data.episodes import ClassIndex, Episode, binary_labels, draw_episode
from model.evaluation.images import RecentImages
from model.evaluation.metrics import IoUTotals
from model.evaluation.segmenter import predict_query
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter

LoweredPrecision = Literal["fp16", "int8"]

_SEED = 0


class TierMetrics(NamedTuple):
    """Figures of a tier compared with fp32, in percent except `presence_difference`.

    `agreement` is the mean over episodes of the IoU between the masks of both.
    `presence_difference` is the largest difference between their presence scores, which are in
    [0, 1].
    """

    episodes: int
    fp32_miou: float
    miou: float
    agreement: float
    presence_difference: float

    @property
    def lost(self) -> float:
        """Points of mean IoU that the tier loses against fp32."""
        return self.fp32_miou - self.miou

    def named(self, data: str) -> dict[str, float]:
        """The figures by their names in the manifest; `data` names what they were measured on."""
        return {
            f"{data} 1-shot episodes": float(self.episodes),
            f"{data} 1-shot mIoU": round(self.miou, 2),
            f"{data} 1-shot mIoU of fp32": round(self.fp32_miou, 2),
            f"{data} agreement with fp32": round(self.agreement, 2),
            f"{data} largest presence difference": round(self.presence_difference, 4),
        }


def measure_tiers(
    bundle: Path,
    precisions: Sequence[LoweredPrecision],
    dataset: LabelledImages,
    classes: ClassIndex,
    *,
    episodes: int,
) -> dict[LoweredPrecision, TierMetrics]:
    """Run a fixed list of one-shot episodes through fp32 and through each tier of a bundle.

    Raises:
        model.contract.InvalidBundleError: not an intact bundle.
        model.contract.MissingTierError: it lacks a tier.
        model.data.datasets.DatasetError: no class has two images, or one cannot be read.
    """
    recent = RecentImages(dataset)
    fp32 = _Side(BundleRuntime(bundle))
    tiers = {each: _Side(BundleRuntime(bundle, precision=each)) for each in precisions}
    for number in tqdm(range(episodes), ", ".join(("fp32", *tiers))):
        episode = draw_episode(classes, shots=1, seed=_SEED, number=number)
        for side in (fp32, *tiers.values()):
            side.predict(recent, episode)
    return {each: _compare(tier, fp32) for each, tier in tiers.items()}


class _Side:
    """Predictions of one tier; masks are packed to bits, a few kilobytes for an episode."""

    def __init__(self, runtime: BundleRuntime) -> None:
        self._segmenter = BundleSegmenter(runtime)
        self._min_logit = logit(runtime.manifest.threshold)
        self.totals = IoUTotals()
        self.masks: list[NDArray[np.uint8]] = []
        self.presence: list[float] = []

    def predict(self, dataset: LabelledImages, episode: Episode) -> None:
        prediction, label = predict_query(self._segmenter, dataset, episode)
        mask = upsample_logits(prediction.logits, *label.shape) >= self._min_logit
        self.totals.update(episode.class_index, mask, binary_labels(label, episode.class_index))
        self.masks.append(np.packbits(mask))
        self.presence.append(prediction.presence)


def _compare(tier: _Side, fp32: _Side) -> TierMetrics:
    shared = [mask_iou(a, b) for a, b in zip(tier.masks, fp32.masks, strict=True)]
    return TierMetrics(
        episodes=len(shared),
        fp32_miou=100 * fp32.totals.mean_iou(),
        miou=100 * tier.totals.mean_iou(),
        agreement=100 * float(np.mean(shared)),
        presence_difference=float(np.abs(np.subtract(tier.presence, fp32.presence)).max()),
    )


def mask_iou(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """IoU of two packed masks; 1 for two empty ones."""
    either = int(np.bitwise_count(a | b).sum())
    return int(np.bitwise_count(a & b).sum()) / either if either else 1.0
