"""Leave-one-out predictions: each support image as a query of all others."""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import Manifest, SupportPrototype, SupportSet, upsample_logits
from model.runtime.bundle import BundleRuntime, Float
from model.runtime.encoded import Encoded
from model.runtime.familiarity import are_familiar

Pixel = TypeVar("Pixel", bound=np.generic)
Shots = tuple[SupportPrototype, ...]


class LeaveOneOutPredictions(NamedTuple):
    """K support images, each as a query of the others; a single one and its mirror image, K = 2.

    cells: (K, F, h, h) features before the last layer, F = 2C, that a refit is fitted on.
    shares: (K, h, h) the object share of each cell.
    logits: (K, h, h) of the network's own last layer.
    single: whether there is only one image, beside its mirror image.
    familiar: at least half of the images are like those that the network was trained on.
    """

    cells: Float
    shares: Float
    logits: Float
    single: bool = False
    familiar: bool = True

    def in_order(self, order: Sequence[int]) -> "LeaveOneOutPredictions":
        """The same images in another order."""
        positions = list(order)
        return self._replace(
            cells=self.cells[positions],
            shares=self.shares[positions],
            logits=self.logits[positions],
        )


class SupportImages(NamedTuple):
    """The images of a class's supports, each of them once.

    Several supports of one image are no evidence for each other, since a fit to one uses the
    pixels of all. Where they mark several objects, no object is background to another.

    pixels: (G, S, S, 3).
    masks: (G, S, S) the object shares of all supports of an image together.
    shots: G groups of prototypes.
    """

    pixels: NDArray[np.uint8]
    masks: Float
    shots: tuple[Shots, ...]

    @classmethod
    def of(
        cls, images: Sequence[NDArray[np.uint8]], masks: Sequence[Float], shots: Shots
    ) -> "SupportImages":
        """Group K supports by their images (S, S, 3), with masks (S, S) and prototypes."""
        members: dict[int, list[int]] = {}
        for position, first in enumerate(first_of_image(images)):
            members.setdefault(first, []).append(position)
        groups = list(members.values())
        return cls(
            np.stack([images[group[0]] for group in groups]),
            np.stack([np.max([masks[k] for k in group], axis=0) for group in groups]),
            tuple(tuple(shots[k] for k in group) for group in groups),
        )

    @property
    def single(self) -> bool:
        """Whether there is only one image; its mirror image then serves as the second."""
        return len(self.shots) == 1

    def mirrored(self) -> tuple[NDArray[np.uint8], Float]:
        """Images and masks flipped left to right."""
        return mirrored(self.pixels), mirrored(self.masks)

    def extended(
        self, pixels: NDArray[np.uint8], masks: Float, shots: Sequence[SupportPrototype]
    ) -> "SupportImages":
        """These images, and further ones of one shot each after them."""
        return SupportImages(
            np.concatenate([self.pixels, pixels]),
            np.concatenate([self.masks, masks]),
            (*self.shots, *((shot,) for shot in shots)),
        )

    def left_out_classes(self) -> list[SupportSet]:
        """For each of G >= 2 images, the class made of the shots of all other images."""
        return [
            SupportSet(tuple(chain(*self.shots[:g], *self.shots[g + 1 :])))
            for g in range(len(self.shots))
        ]

    def predictions(
        self,
        cells: Float,
        logits: Float,
        encoded: Sequence[Encoded],
        manifest: Manifest,
        *,
        single: bool,
    ) -> LeaveOneOutPredictions:
        """What a refit is fitted on, from the head's output for `left_out_classes`.

        Args:
            cells: (G, F, h, h) before the last layer, F = 2C.
            logits: (G, h, h), or at the input's side in the reference arithmetic.
            encoded: the G images.
            manifest: of the bundle.
            single: whether the second image is the mirror image of the first.
        """
        side = cells.shape[-1]
        if logits.shape[-1] != side:
            logits = np.stack([upsample_logits(each, side, side) for each in logits])
        shown = encoded[:1] if single else encoded
        alike = np.concatenate([are_familiar(each, manifest.familiar) for each in shown])
        return LeaveOneOutPredictions(
            cells, cell_shares(self.masks, side), logits, single, bool(alike.mean() >= 0.5)
        )


def predict_left_out(runtime: BundleRuntime, supports: SupportImages) -> LeaveOneOutPredictions:
    """What a class's refit is fitted on: each support image as a query of the others."""
    single = supports.single
    if single:
        pixels, mask = supports.mirrored()
        mirror_shots = runtime.prototypes(runtime.encode(pixels, mask), mask)
        supports = supports.extended(pixels, mask, mirror_shots)
    encoded = runtime.encode(supports.pixels)
    image_index = np.arange(len(supports.pixels), dtype=np.int64)
    found = runtime.cells(encoded, image_index, supports.left_out_classes())
    images = [encoded.rows(k, k + 1) for k in range(len(encoded))]
    return supports.predictions(found.cells, found.logits, images, runtime.manifest, single=single)


def originals(images: Sequence[NDArray[np.uint8]], masks: Sequence[Float]) -> list[int]:
    """For each support, the position of the first one with its image and mask, mostly its own.

    A repeat is no further evidence: predicted from its original, it is marked only too well.
    """
    pairs = zip(images, masks, strict=True)
    return _first_alike(image.tobytes() + mask.tobytes() for image, mask in pairs)


def first_of_image(images: Sequence[NDArray[np.uint8]]) -> list[int]:
    """For each support, the position of the first one with its image (S, S, 3), mostly its own."""
    return _first_alike(image.tobytes() for image in images)


def _first_alike(contents: Iterable[bytes]) -> list[int]:
    first: dict[bytes, int] = {}
    digests = [hashlib.sha256(content).digest() for content in contents]
    return [first.setdefault(digest, position) for position, digest in enumerate(digests)]


def mirrored(pixels: NDArray[Pixel]) -> NDArray[Pixel]:
    """Images or masks (K, S, S, ...) flipped left to right."""
    return np.ascontiguousarray(pixels[:, :, ::-1])


def cell_shares(masks: Float, side: int) -> Float:
    """The object share of each cell (K, side, side) under masks (K, S, S)."""
    shares = [cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA) for mask in masks]
    return np.stack(shares).astype(np.float32)
