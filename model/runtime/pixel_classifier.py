"""The pixels of one class, told by their colours, where cells are too coarse for its outlines.

Away from photographs a class often has colours of its own, at some scale: stained cells, spots on a
surface. So the adapted answer is corrected pixel by pixel, by a logistic regression on that answer,
the colours at several scales and the contrast (docs/adr/0032).
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import PIXEL_FEATURES, resize_image, upsample_logits
from model.runtime.bundle import Float

_SCALES = (1, 2, 8)  # of blurs, standard deviations in pixels of half the network's side
_DETAIL, _AROUND = 1, 2  # the same: contrast is how far pixels around are from their blur
_GREY = 128.0  # a byte of colour that counts as 1
_REACH = 4.0  # features count as no further from their mean, in deviations
_LIMIT = 6.0  # no pixel is surer than this logit by its colours
# Quadratic, linear and, last, constant: the products of two of the features and a one behind them.
_TERMS = np.triu_indices(PIXEL_FEATURES + 1)


class PixelClassifier(NamedTuple):
    """How the answer for a class is corrected by the pixels below it.

    share: of the regression, in [0, 1]; the rest is of the logits as they come.
    mean, scale: (F,) of the features; scale is 1 over their deviation.
    weights: (T,) of the products in `terms`.
    """

    share: float
    mean: Float
    scale: Float
    weights: Float

    @classmethod
    def unpacked(cls, numbers: Float) -> "PixelClassifier":
        """From what is kept of it, `model.contract.PIXEL_CLASSIFIER_SIZE` numbers."""
        ends = np.cumsum([1, PIXEL_FEATURES, PIXEL_FEATURES])
        share, mean, scale, weights = np.split(numbers, ends)
        return cls(float(share[0]), mean, scale, weights)

    def packed(self) -> Float:
        """What is kept of it."""
        share = np.array([self.share], np.float32)
        return np.concatenate([share, self.mean, self.scale, self.weights])

    def logits(self, features: Float) -> Float:
        """The corrected logits (s, s) of what has these features (s, s, F), the logit first."""
        standard = standardised(features, self.mean, self.scale)
        weights = np.zeros((PIXEL_FEATURES + 1, PIXEL_FEATURES + 1), np.float32)
        weights[_TERMS] = self.weights
        # A product for each row of pixels: too small for BLAS to share it among threads.
        fitted = np.einsum("ijk,ijk->ij", standard @ weights, standard)
        return blend(features[..., 0], fitted, self.share)


def correct(logits: Float, classifier: Float, pixels: NDArray[np.uint8]) -> Float:
    """The logits of a class in an image, corrected by its pixels: (s, s) with s = ceil(S / 2).

    Args:
        logits: (h, h) of the network.
        classifier: (Q,) of the class, see `PixelClassifier.packed`.
        pixels: (S, S, 3), as the network saw them.
    """
    return PixelClassifier.unpacked(classifier).logits(pixel_features(logits, pixels))


def pixel_features(logits: Float, pixels: NDArray[np.uint8]) -> Float:
    """A logit, the colours at several scales and the contrast: (s, s, F).

    Args:
        logits: (h, h) of the network.
        pixels: (S, S, 3); s = ceil(S / 2), at which the network's own resizing leaves detail.
    """
    side = -(-len(pixels) // 2)
    colours = resize_image(pixels, side).astype(np.float32) / np.float32(_GREY)
    grey = colours.mean(axis=2)
    contrast = np.sqrt(_blurred((grey - _blurred(grey, _DETAIL)) ** 2, _AROUND))
    blurred = [_blurred(colours, deviation) for deviation in _SCALES]
    own = upsample_logits(logits, side, side)
    return np.concatenate([own[..., None], *blurred, contrast[..., None]], axis=2)


def standardised(features: Float, mean: Float, scale: Float) -> Float:
    """Features (..., F), standardised and clipped, and a one behind them: (..., F + 1)."""
    standard = np.clip((features - mean) * scale, -_REACH, _REACH)
    ones = np.ones((*features.shape[:-1], 1), np.float32)
    return np.concatenate([standard, ones], axis=-1)


def terms(standard: Float) -> Float:
    """The products (N, T) of two of N standardised features each (N, F + 1); the last is 1."""
    return standard[:, _TERMS[0]] * standard[:, _TERMS[1]]


def blend(own: Float, fitted: Float, share: float) -> Float:
    """Logits as they come and those of a regression, which are bounded; `share`: of these."""
    bounded = np.clip(fitted, -_LIMIT, _LIMIT)
    blended: Float = np.float32(1 - share) * own + np.float32(share) * bounded
    return blended


def _blurred(image: Float, deviation: int) -> Float:
    """An image (S, S, ...) under a Gaussian; wide ones are taken of a smaller image."""
    side, reduction = len(image), max(1, deviation // 2)
    if reduction == 1:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.float32)
    fewer = -(-side // reduction)
    small = cv2.resize(image, (fewer, fewer), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), deviation / reduction)
    large = cv2.resize(soft, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32)
