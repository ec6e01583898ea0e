"""The pixels of one class, told by their colours, where cells are too coarse for its outlines.

Away from photographs a class often has colours of its own, at some scale: stained cells, spots on a
surface. So the adapted answer is corrected pixel by pixel, by a logistic regression on that answer,
the colours at several scales and the contrast (docs/adr/0032).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
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
_MEAN_COLOUR = np.full((1, 3), 1 / 3, np.float32)
_BLOCK = 1536  # pixels; products of so few BLAS does not share among threads, and caches hold them


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
        """The corrected logits (s, s) of what has these features (F, s, s), the logit first."""
        own = features[0]
        standard = standardised(features, self.mean, self.scale).reshape(PIXEL_FEATURES + 1, -1)
        weights = np.zeros((PIXEL_FEATURES + 1, PIXEL_FEATURES + 1), np.float32)
        weights[_TERMS] = self.weights
        fitted = np.empty(own.size, np.float32)
        for start in range(0, own.size, _BLOCK):
            block = standard[:, start : start + _BLOCK]
            np.einsum("kn,kn->n", weights @ block, block, out=fitted[start : start + _BLOCK])
        return blend(own, fitted.reshape(own.shape), self.share)


class PixelColours:
    """The colours of an image at several scales, and the contrast, computed when they are needed.

    They take three times the room of the image, so they are kept only in a block that says so.
    One thread at a time may be in such a block.

    Args:
        pixels: (S, S, 3), as the network saw them.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels
        self._keeping = False
        self._kept: Float | None = None

    @property
    def planes(self) -> Float:
        """(F - 1, s, s), red, green and blue at each scale, then the contrast; s = ceil(S / 2).

        At half of the side the network's own resizing leaves detail.
        """
        planes = _planes(self._pixels) if self._kept is None else self._kept
        if self._keeping:
            self._kept = planes
        return planes

    @contextmanager
    def kept(self) -> Iterator[None]:
        """A block in which they are computed once, for the classes of an image."""
        self._keeping = True
        try:
            yield
        finally:
            self._keeping, self._kept = False, None


def correct(logits: Float, classifier: Float, colours: PixelColours) -> Float:
    """The logits of a class in an image, corrected by its pixels: (s, s) with s = ceil(S / 2).

    Args:
        logits: (h, h) of the network.
        classifier: (Q,) of the class, see `PixelClassifier.packed`.
        colours: of the image.
    """
    return PixelClassifier.unpacked(classifier).logits(pixel_features(logits, colours))


def pixel_features(logits: Float, colours: PixelColours) -> Float:
    """A logit, the colours at several scales and the contrast: (F, s, s).

    Args:
        logits: (h, h) of the network.
        colours: of the image.
    """
    planes = colours.planes
    features = np.empty((PIXEL_FEATURES, *planes.shape[1:]), np.float32)
    features[0] = upsample_logits(logits, *planes.shape[1:])
    features[1:] = planes
    return features


def standardised(features: Float, mean: Float, scale: Float) -> Float:
    """Features (F, ...), standardised and clipped, and a one behind them: (F + 1, ...)."""
    standard = np.ones((len(features) + 1, *features.shape[1:]), np.float32)
    own = standard[:-1]
    of_each = (slice(None), *(np.newaxis,) * (features.ndim - 1))
    np.subtract(features, mean[of_each], out=own)
    own *= scale[of_each]
    np.clip(own, -_REACH, _REACH, out=own)
    return standard


def terms(standard: Float) -> Float:
    """The products (N, T) of two of N standardised features each (F + 1, N); the last is 1."""
    products: Float = standard[_TERMS[0]] * standard[_TERMS[1]]
    return np.ascontiguousarray(products.T)


def blend(own: Float, fitted: Float, share: float) -> Float:
    """Logits as they come and those of a regression, which are bounded; `share`: of these."""
    bounded = np.clip(fitted, -_LIMIT, _LIMIT)
    blended: Float = np.float32(1 - share) * own + np.float32(share) * bounded
    return blended


def _planes(pixels: NDArray[np.uint8]) -> Float:
    """See `PixelColours.planes`."""
    side = -(-len(pixels) // 2)
    # Bilinear interpolation is faster, but averages nothing at the centre of odd sides.
    colours = resize_image(pixels, side).astype(np.float32) / np.float32(_GREY)
    grey = np.asarray(cv2.transform(colours, _MEAN_COLOUR), np.float32)
    contrast = np.sqrt(_blurred((grey - _blurred(grey, _DETAIL)) ** 2, _AROUND))
    of_scales = [cv2.split(_blurred(colours, deviation)) for deviation in _SCALES]
    return np.stack([*chain.from_iterable(of_scales), contrast])


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
