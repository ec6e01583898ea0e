"""Edges of a soft mask, moved to those of its image.

K. He, J. Sun, X. Tang: Guided Image Filtering, TPAMI 2013, equations 5, 6 and 8, with a grey guide.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

_FLATNESS = 1e-3  # variance of a guide in [0, 1] below which a window counts as flat


def guided_filter(
    guide: NDArray[np.uint8], soft: NDArray[np.float32], radius: int
) -> NDArray[np.float32]:
    """A soft mask (H, W) in [0, 1] that follows the edges of a picture.

    Args:
        guide: the picture, RGB (H, W, 3).
        soft: the mask.
        radius: of a window, in pixels.
    """
    grey = np.asarray(cv2.cvtColor(guide, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255)
    guide_mean = _mean(grey, radius)
    soft_mean = _mean(soft, radius)
    variance = _mean(np.square(grey), radius) - guide_mean * guide_mean
    covariance = _mean(np.multiply(grey, soft), radius) - guide_mean * soft_mean
    slope = np.asarray(covariance / (variance + np.float32(_FLATNESS)), np.float32)
    offset = soft_mean - slope * guide_mean
    refined = _mean(slope, radius) * grey + _mean(offset, radius)
    return np.asarray(np.clip(refined, 0, 1), np.float32)


def _mean(values: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    size = 2 * radius + 1
    found = cv2.boxFilter(values, -1, (size, size), borderType=cv2.BORDER_REFLECT)
    return np.asarray(found, np.float32)
