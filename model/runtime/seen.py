"""Supports as queries of each other: what a class is fitted to and judged by."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet
from model.runtime.bundle import BundleRuntime, Float
from model.runtime.familiarity import are_familiar

Pixel = TypeVar("Pixel", bound=np.generic)


class SeenSupports(NamedTuple):
    """K supports of a class as queries of the others; a single one beside its mirror image, K = 2.

    cells: (K, F, h, h) what a refit is fitted on.
    shares: (K, h, h) the object share of each cell.
    logits: (K, h, h) the network's own answer.
    single: the two are one support.
    familiar: the first image is like those that the network was trained on.
    """

    cells: Float
    shares: Float
    logits: Float
    single: bool = False
    familiar: bool = True


def see_supports(
    runtime: BundleRuntime,
    images: NDArray[np.uint8],
    masks: Float,
    shots: tuple[SupportPrototype, ...],
) -> SeenSupports:
    """What a class's refit is fitted on: each support as a query of the others.

    Args:
        runtime: the bundle.
        images: (K, S, S, 3) of the supports.
        masks: (K, S, S) their object shares.
        shots: their K prototypes.
    """
    single = len(shots) == 1
    if single:
        images, masks = with_mirrored(images), with_mirrored(masks)
        mirror = runtime.encode(images[1:], masks[1:])
        shots = (*shots, *runtime.prototypes(mirror, masks[1:]))
    encoded = runtime.encode(images)
    asked = leave_one_out(shots)
    found = runtime.cells(encoded, np.arange(len(shots), dtype=np.int64), asked)
    shares = cell_shares(masks, found.cells.shape[-1])
    familiar = bool(are_familiar(encoded, runtime.manifest.familiar)[0])
    return SeenSupports(found.cells, shares, found.logits, single, familiar)


def leave_one_out(shots: tuple[SupportPrototype, ...]) -> list[SupportSet]:
    """For each of K shots, two or more, the class of the others."""
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


def with_mirrored(pixels: NDArray[Pixel]) -> NDArray[Pixel]:
    """Images or masks (K, S, S, ...), and behind them their mirror images, (2 K, S, S, ...)."""
    return np.concatenate([pixels, mirrored(pixels)])


def cell_shares(masks: Float, side: int) -> Float:
    """The object share of each cell (K, side, side) under masks (K, S, S)."""
    shares = [cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA) for mask in masks]
    return np.stack(shares).astype(np.float32)
