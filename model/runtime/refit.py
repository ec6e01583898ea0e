"""Adaptation on the supports: the head's last layer fitted anew to one class.

Away from what a network was trained on, its features still part object from background where its
own last layer no longer does. So that layer is fitted again, for one class, to the cells of its
supports, each seen as a query of the others: a logistic regression, convex and small.
"""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet
from model.runtime.bundle import BundleRuntime, Float

_PENALTY = 30.0  # of a standardised weight, in cells
_STEPS = 12
_SMALLEST_STEP = 1e-3

Pixel = TypeVar("Pixel", bound=np.generic)


def support_cells(
    runtime: BundleRuntime,
    images: NDArray[np.uint8],
    masks: Float,
    shots: tuple[SupportPrototype, ...],
) -> tuple[Float, Float]:
    """What a class's refit is fitted on: each support as a query of the others.

    A single support is asked about with its own mirror image as the support.

    Args:
        runtime: the bundle.
        images: (K, S, S, 3) of the supports.
        masks: (K, S, S) their object shares.
        shots: their K prototypes.

    Returns:
        Cells (K, F, h, h) and the object share of each (K, h, h).
    """
    encoded = runtime.encode(images)
    asked = leave_one_out(shots)
    if len(shots) == 1:
        mirror_images, mirror_masks = mirrored(images), mirrored(masks)
        mirror = runtime.encode(mirror_images, mirror_masks)
        asked = [SupportSet(tuple(runtime.prototypes(mirror, mirror_masks)))]
    cells = runtime.cells(encoded, np.arange(len(shots), dtype=np.int64), asked)
    return cells, cell_shares(masks, cells.shape[-1])


def leave_one_out(shots: tuple[SupportPrototype, ...]) -> list[SupportSet]:
    """For each of K shots the class of the others; a single shot leaves one without any."""
    return [SupportSet((*shots[:k], *shots[k + 1 :])) for k in range(len(shots))]


def mirrored(pixels: NDArray[Pixel]) -> NDArray[Pixel]:
    """Images or masks (K, S, S, ...) seen in a mirror, left for right."""
    return np.ascontiguousarray(pixels[:, :, ::-1])


def cell_shares(masks: Float, side: int) -> Float:
    """The object share of each cell (K, side, side) under masks (K, S, S)."""
    shares = [cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA) for mask in masks]
    return np.stack(shares).astype(np.float32)


def fit_refit(cells: Float, shares: Float) -> Float:
    """Logistic regression from cells to object shares, by Newton's method.

    Args:
        cells: (K, F, h, h), finite.
        shares: (K, h, h) in [0, 1], the soft labels.

    Returns:
        Refit (F + 2,), see `model.contract.graphs.HEAD`; the network's own logit has no part in it.
    """
    channels = cells.shape[1]
    rows = cells.transpose(0, 2, 3, 1).reshape(-1, channels).astype(np.float64)  # (N, F)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    design = np.c_[(rows - mean) / deviation, np.ones(len(rows))]  # (N, F + 1)
    solution = _newton(design, shares.ravel().astype(np.float64))
    weights = solution[:-1] / deviation
    bias = solution[-1] - weights @ mean
    return np.concatenate([[0.0, bias], weights]).astype(np.float32)


def _newton(design: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    penalty = np.full(design.shape[1], _PENALTY)
    penalty[-1] = 1e-3  # the intercept is all but free
    solution = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ solution, -30, 30)))
        slope = design.T @ (probability - shares) + penalty * solution
        curvature = np.maximum(probability * (1 - probability), 1e-4)
        hessian = (design * curvature[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, slope)
        solution -= step
        if np.abs(step).max() < _SMALLEST_STEP:
            break
    return solution
