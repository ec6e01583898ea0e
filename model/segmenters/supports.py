"""What both segmenters do with a support before its encoding."""

import hashlib
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import resize_image, resize_mask
from model.runtime import find_close_up, find_portrait, mirrored


def support_key(key: Hashable, mask: NDArray[np.bool_]) -> Hashable:
    """The cache key of an image together with its mask."""
    return key, hashlib.blake2b(np.packbits(mask).tobytes()).digest()


class RecognitionViews(NamedTuple):
    """The views by which presence is judged, but for the whole image, and their masks.

    pixels: (V, S, S, 3).
    shares: (V, S, S).
    with_whole: whether the whole image, which is encoded anyway, is judged by before them.
    """

    pixels: NDArray[np.uint8]
    shares: NDArray[np.float32]
    with_whole: bool


def recognition_views(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], side: int
) -> RecognitionViews:
    """A close-up of the object, or the whole where it is large, a portrait, and the first mirrored.

    Args:
        image: (H, W, 3).
        mask: (H, W).
        side: S, pixels.
    """
    close_up = find_close_up(mask)
    everything = (slice(None), slice(None))
    windows = [close_up.slices if close_up else everything, find_portrait(mask).slices]
    pixels = np.stack([resize_image(np.ascontiguousarray(image[w]), side) for w in windows])
    shares = np.stack([resize_mask(np.ascontiguousarray(mask[w]), side) for w in windows])
    pixels = np.concatenate([pixels, mirrored(pixels[:1])])
    shares = np.concatenate([shares, mirrored(shares[:1])])
    if close_up is None:
        return RecognitionViews(pixels[1:], shares[1:], with_whole=True)
    return RecognitionViews(pixels, shares, with_whole=False)
