"""Adaptation on the supports: the head's last layer fitted anew to one class.

Away from what a network was trained on, its features still part object from background where its
own last layer no longer does. So that layer is fitted again, for one class, to the cells of its
supports, each seen as a query of the others: a logistic regression, convex and small.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet
from model.runtime.bundle import BundleRuntime, Float

_PENALTY = 30.0  # of a standardised weight, in cells
_STEPS = 12
_SMALLEST_STEP = 1e-3
# What a refit to one shot keeps of the network's own logit, which is steadier than a fit to few
# cells; of K shots a Kth part of it (ADR 11).
_OWN_SHARE = 0.2
# Mean IoU of held-out supports by which a refit must beat the network's own answer: with fewer, the
# gain is as often the supports' chance as the class's nature. The parts of a single support are
# more alike than two images, so they must gain more.
_LEAST_GAIN = 0.05
_LEAST_GAIN_WITHIN = 0.2
# A fit to one small object learns its size: larger ones elsewhere are missed. Of a single
# support, the share of the image from which its object is worth a fit.
_LEAST_SHARE_WITHIN = 0.05

# Fit always, never, or where it helps on supports that it was not fitted to.
Adapt = bool | Literal["auto"]
Pixel = TypeVar("Pixel", bound=np.generic)


class SeenSupports(NamedTuple):
    """K supports of a class as queries of the others.

    cells: (K, F, h, h) what a refit is fitted on.
    shares: (K, h, h) the object share of each cell.
    logits: (K, h, h) the network's own answer.
    """

    cells: Float
    shares: Float
    logits: Float


def support_cells(
    runtime: BundleRuntime,
    images: NDArray[np.uint8],
    masks: Float,
    shots: tuple[SupportPrototype, ...],
) -> SeenSupports:
    """What a class's refit is fitted on: each support as a query of the others.

    A single support is asked about with its own mirror image as the support.

    Args:
        runtime: the bundle.
        images: (K, S, S, 3) of the supports.
        masks: (K, S, S) their object shares.
        shots: their K prototypes.
    """
    encoded = runtime.encode(images)
    asked = leave_one_out(shots)
    if len(shots) == 1:
        mirror_images, mirror_masks = mirrored(images), mirrored(masks)
        mirror = runtime.encode(mirror_images, mirror_masks)
        asked = [SupportSet(tuple(runtime.prototypes(mirror, mirror_masks)))]
    found = runtime.cells(encoded, np.arange(len(shots), dtype=np.int64), asked)
    return SeenSupports(found.cells, cell_shares(masks, found.cells.shape[-1]), found.logits)


def leave_one_out(shots: tuple[SupportPrototype, ...]) -> list[SupportSet]:
    """For each of K shots the class of the others; a single shot leaves one without any."""
    return [SupportSet((*shots[:k], *shots[k + 1 :])) for k in range(len(shots))]


def originals(images: Sequence[NDArray[np.uint8]], masks: Sequence[Float]) -> list[int]:
    """For each support the position of the first of the same image and mask, mostly its own.

    A repeat is no further evidence: predicted from its original, it is marked only too well.
    """
    first: dict[bytes, int] = {}
    pairs = zip(images, masks, strict=True)
    digests = [hashlib.sha256(image.tobytes() + mask.tobytes()).digest() for image, mask in pairs]
    return [first.setdefault(digest, position) for position, digest in enumerate(digests)]


def mirrored(pixels: NDArray[Pixel]) -> NDArray[Pixel]:
    """Images or masks (K, S, S, ...) seen in a mirror, left for right."""
    return np.ascontiguousarray(pixels[:, :, ::-1])


def cell_shares(masks: Float, side: int) -> Float:
    """The object share of each cell (K, side, side) under masks (K, S, S)."""
    shares = [cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA) for mask in masks]
    return np.stack(shares).astype(np.float32)


def choose_refit(seen: SeenSupports, adapt: Adapt, *, threshold: float) -> Float | None:
    """The refit of a class, if it is to have one.

    Args:
        seen: the class's supports.
        adapt: `auto` fits if that marks held-out supports better, or held-out quarters of a single
            one whose object is not small.
        threshold: foreground probability from which a pixel is marked.
    """
    if not adapt or (adapt == "auto" and _is_small(seen.shares)):
        return None
    regression = Regression.on(seen.cells, seen.shares)
    if adapt == "auto":
        least = _LEAST_GAIN if len(seen.cells) > 1 else _LEAST_GAIN_WITHIN
        if _gain(seen, regression, threshold) <= least:
            return None
    return regression.refit


def _is_small(shares: Float) -> bool:
    """Whether K supports (K, h, h) are a single one of a small object."""
    return len(shares) == 1 and float(shares.mean()) < _LEAST_SHARE_WITHIN


def _gain(seen: SeenSupports, regression: "Regression", threshold: float) -> float:
    """Mean IoU of supports marked by a fit to the others, less that of the network's own answer."""
    cut = float(np.log(threshold / (1 - threshold))) if 0 < threshold < 1 else 0.0
    own_share = _own_share(seen.shares)
    fitted = own_share * seen.logits + (1 - own_share) * regression.held_out_logits()
    gains = [
        _cell_iou(ours, share, cut) - _cell_iou(own, share, cut)
        for ours, own, share in zip(fitted, seen.logits, seen.shares, strict=True)
    ]
    return float(np.mean(gains))


def _cell_iou(logits: Float, share: Float, cut: float) -> float:
    """IoU of marked cells with cells by their object share; of an object below a cell, 0."""
    marked = logits >= cut
    union = float(np.where(marked, 1.0, share).sum())
    return float(share[marked].sum()) / union if union else 0.0


def _own_share(shares: Float) -> float:
    """Share of the network's own logit beside a regression on K supports (K, h, h)."""
    return _OWN_SHARE / len(shares)


class Regression(NamedTuple):
    """Logistic regression from the cells of K supports to their object shares.

    design: (N, F + 1) standardised cells with a one behind them.
    shares: (K, h, h) in [0, 1], the soft labels.
    mean, deviation: (F,) of the cells.
    solution: (F + 1,) weights of the design.
    """

    design: Float
    shares: Float
    mean: Float
    deviation: Float
    solution: Float

    @classmethod
    def on(cls, cells: Float, shares: Float) -> "Regression":
        """Fitted to cells (K, F, h, h), finite, under shares (K, h, h)."""
        rows = cells.transpose(0, 2, 3, 1).reshape(-1, cells.shape[1])  # (N, F)
        mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = rows.std(axis=0, dtype=np.float64).astype(np.float32) + np.float32(1e-3)
        ones = np.ones((len(rows), 1), np.float32)
        design = np.hstack([(rows - mean) / deviation, ones])
        return cls(design, shares, mean, deviation, _newton(design, shares.ravel()))

    @property
    def refit(self) -> Float:
        """A little of the network's own logit, and the regression for the rest, (F + 2,).

        See `model.contract.graphs.HEAD`.
        """
        weights = self.solution[:-1] / self.deviation
        bias = self.solution[-1] - weights @ self.mean
        own_share = _own_share(self.shares)
        fitted = (1 - own_share) * np.concatenate([[bias], weights])
        return np.concatenate([[own_share], fitted]).astype(np.float32)

    def held_out_logits(self) -> Float:
        """For each of K supports the logits (K, h, h) of a regression on the others.

        Of a single support, those of each quarter around the object's centre come of the other
        three. The regressions begin at that on all, from where they are a few steps away.
        """
        labels = self.shares.ravel()
        part = _held_out_together(self.shares)
        logits = np.empty(len(self.design), np.float32)
        for number in range(part.max() + 1):
            others = part != number
            alone = _newton(self.design[others], labels[others], start=self.solution)
            logits[~others] = self.design[~others] @ alone
        return logits.reshape(self.shares.shape)


def _held_out_together(shares: Float) -> NDArray[np.intp]:
    """For each cell, in order, the number of its support, or of its quarter of a single one."""
    supports, height, width = shares.shape
    if supports > 1:
        return np.repeat(np.arange(supports), height * width)
    rows, columns = np.indices((height, width))
    total = max(float(shares.sum()), 1e-6)
    below = rows > float((rows * shares[0]).sum()) / total
    right = columns > float((columns * shares[0]).sum()) / total
    return np.asarray(2 * below + right, np.intp).ravel()


def _newton(design: Float, shares: Float, start: Float | None = None) -> Float:
    """The minimum of the penalised cross-entropy, by Newton's method."""
    penalty = np.full(design.shape[1], _PENALTY, np.float32)
    penalty[-1] = 1e-3  # the intercept is all but free
    solution = np.zeros(design.shape[1], np.float32) if start is None else start.copy()
    for _ in range(_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ solution, -30, 30)))
        slope = design.T @ (probability - shares) + penalty * solution
        curvature = np.maximum(probability * (1 - probability), 1e-4)
        weighted = design * np.sqrt(curvature)[:, None]
        # A product with its own transpose, which costs BLAS half of another.
        hessian = weighted.T @ weighted + np.diag(penalty)
        step = np.linalg.solve(hessian.astype(np.float64), slope).astype(np.float32)
        solution -= step
        if np.abs(step).max() < _SMALLEST_STEP:
            break
    return solution
