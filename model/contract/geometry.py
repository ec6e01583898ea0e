"""The one resize arithmetic between an image's own pixels and the network's square input.

Images are squashed to the square input side, as in the paper's recipe (section IV-A), so that
a point at relative position (y, x) keeps it on both sides and no padding has to be undone.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

# Up to this many values an image is averaged in float32, which takes about two thirds of the time
# of uint8; a larger one no longer fits the caches. Results differ only in the rounding of ties, and
# only where both sides are exactly halved.
_MAX_FLOAT_VALUES = 3 << 20


def resize_image(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Squash an RGB image (H, W, 3) to (side, side, 3): area average down, bilinear up."""
    height, width = image.shape[:2]
    if (height, width) == (side, side):
        return image
    # A side that shrinks needs averaging, or thin structures alias away; each axis by itself.
    shrunk = _average(image, min(height, side), min(width, side))
    resized = cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def _average(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Area average down to (height, width, 3)."""
    if image.size > _MAX_FLOAT_VALUES:
        averaged = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(averaged, np.uint8)
    floats = image.astype(np.float32)
    averaged = cv2.resize(floats, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.convertScaleAbs(averaged), np.uint8)


def resize_mask(mask: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Squash a binary mask (H, W) to the share of each cell it covers, (side, side) in [0, 1].

    An object of a single pixel in a large image keeps a positive share and is not lost.
    """
    height, width = mask.shape
    coverage = mask.astype(np.float32)
    if (height, width) != (side, side):
        coverage = cv2.resize(
            coverage, (min(width, side), min(height, side)), interpolation=cv2.INTER_AREA
        ).astype(np.float32)
        coverage = cv2.resize(coverage, (side, side), interpolation=cv2.INTER_LINEAR).astype(
            np.float32
        )
    return np.clip(coverage, 0.0, 1.0)


def upsample_logits(logits: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Bring logits (h, w) to an image's own size (height, width), bilinear, half-pixel centres."""
    resized = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.float32)
