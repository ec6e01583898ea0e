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
from model.runtime.leave_one_out import SupportImages, cell_shares
from model.runtime.logistic import (
    choice_weights,
    finite_logit,
    fit_logistic,
    held_out_logits,
    held_out_parts,
    shot_ious,
)
from model.runtime.one_thread import on_one_thread

_SCALES = (1, 2, 8)  # of blurs, standard deviations in pixels of half the network's side
_DETAIL, _AROUND = 1, 2  # the same: contrast is how far pixels around are from their blur
_GREY = 128.0  # a byte of colour that counts as 1
_REACH = 4.0  # features count as no further from their mean, in deviations
_SAMPLED = 2000  # pixels of each support
_LIMIT = 6.0  # no pixel is surer than this logit by its colours
_TEMPERATURE = 0.02
# Parts of a single support are more alike than two images are: the gain on them is lowered by this
# times the share of the regression, and is known less well.
_LIKENESS_WITHIN = 0.5
_TEMPERATURE_WITHIN = 0.05
_SHARES = np.linspace(0, 1, 6, dtype=np.float32)  # of the regression; the rest is the answer's own
_WORTH_IT = 0.05
# Quadratic, linear and, last, constant: the products of two of the features and a one behind them.
_TERMS = np.triu_indices(PIXEL_FEATURES + 1)


class PixelClassifier(NamedTuple):
    """How the answer for a class is corrected by the pixels below it.

    share: of the regression, in [0, 1]; the rest is of the logits as they come.
    mean, scale: (F,) of the features; scale is 1 over their deviation.
    weights: (F + 1, F + 1) of the products of two features, a one behind them; upper triangular.
    """

    share: float
    mean: Float
    scale: Float
    weights: Float

    @classmethod
    def unpacked(cls, numbers: Float) -> "PixelClassifier":
        """From what is kept of it, `model.contract.PIXEL_CLASSIFIER_SIZE` numbers."""
        ends = np.cumsum([1, PIXEL_FEATURES, PIXEL_FEATURES])
        share, mean, scale, terms = np.split(numbers, ends)
        weights = np.zeros((PIXEL_FEATURES + 1, PIXEL_FEATURES + 1), np.float32)
        weights[_TERMS] = terms
        return cls(float(share[0]), mean, scale, weights)

    def packed(self) -> Float:
        """What is kept of it."""
        terms = self.weights[_TERMS]
        packed = np.concatenate([[self.share], self.mean, self.scale, terms])
        return packed.astype(np.float32)

    def logits(self, features: Float) -> Float:
        """The corrected logits (s, s) of what has these features (s, s, F), the logit first."""
        standardised = _standardised(features, self.mean, self.scale)
        # A product for each row of pixels: too small for BLAS to share it among threads.
        fitted = np.einsum("ijk,ijk->ij", standardised @ self.weights, standardised)
        return _blended(features[..., 0], fitted, self.share)


@on_one_thread
def choose_pixel_classifier(
    supports: SupportImages, answers: Float, *, threshold: float
) -> PixelClassifier | None:
    """The classifier of a class, as far as it improves held-out supports; None: it does not.

    Args:
        supports: G images.
        answers: (G, h, h) logits for each, by what was learned of the others; for a single one and
            its mirror image, by what was learned of the other quarters.
        threshold: foreground probability from which a pixel is marked.
    """
    pixels, masks = supports.pixels, supports.masks
    if supports.single:
        mirror_image, mirror_mask = supports.mirrored()
        pixels = np.concatenate([pixels, mirror_image])
        masks = np.concatenate([masks, mirror_mask])
    else:  # in an order of their own, so that sums of floats do not depend on how they came
        order = sorted(range(len(pixels)), key=lambda g: supports.pixels[g].tobytes())
        pixels, masks, answers = pixels[order], masks[order], answers[order]
    side = _side(pixels[0])
    sampled = np.random.default_rng(0).permutation(side * side)[:_SAMPLED]
    all_shares = cell_shares(masks, side)  # (G, s, s)
    every = (_features(*each) for each in zip(answers, pixels, strict=True))
    rows = np.stack([each.reshape(-1, PIXEL_FEATURES)[sampled] for each in every])  # (G, n, F)
    all_parts = held_out_parts(all_shares, supports.single)
    shares = all_shares.reshape(len(pixels), -1)[:, sampled]  # (G, n)
    parts = all_parts.reshape(len(pixels), -1)[:, sampled]
    mean = rows.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    scale = 1 / (rows.std(axis=(0, 1), dtype=np.float64).astype(np.float32) + np.float32(1e-3))
    features = _standardised(rows, mean, scale).reshape(-1, PIXEL_FEATURES + 1)
    design = features[:, _TERMS[0]] * features[:, _TERMS[1]]  # (G * n, T)
    solution = fit_logistic(design, shares.ravel())
    held_out = held_out_logits(design, shares.ravel(), parts.ravel(), solution)
    share = trusted_share(
        rows[..., 0],
        held_out.reshape(shares.shape),
        shares,
        finite_logit(threshold),
        single=supports.single,
    )
    if share < _WORTH_IT:
        return None
    weights = np.zeros((PIXEL_FEATURES + 1, PIXEL_FEATURES + 1), np.float32)
    weights[_TERMS] = solution
    return PixelClassifier(share, mean, scale, weights)


def trusted_share(
    own: Float, fitted: Float, shares: Float, threshold_logit: float, *, single: bool = False
) -> float:
    """How much of the regression to take, by what it gains on what was held out.

    Of several supports, a gain counts less a standard error: some choice improves a few of them by
    chance.

    Args:
        own: (G, n) logits without it.
        fitted: (G, n) logits of the regression, by what was not held out.
        shares: (G, n) the truth.
        threshold_logit: from which a pixel is marked.
        single: there is one support and its mirror image.
    """
    iou = np.stack(
        [shot_ious(_blended(own, fitted, each), shares, threshold_logit) for each in _SHARES]
    )  # (6, G)
    gain = (iou - iou[0]).mean(axis=1)
    if single:
        weights = choice_weights(gain - _LIKENESS_WITHIN * _SHARES, _TEMPERATURE_WITHIN)
    else:
        error = (iou - iou[0]).std(axis=1, ddof=1) / np.sqrt(len(shares))
        weights = choice_weights(gain - error, _TEMPERATURE)
    return float(weights @ _SHARES)


def _blended(own: Float, fitted: Float, share: float) -> Float:
    """Both kinds of logits, the fitted ones bounded."""
    bounded = np.clip(fitted, -_LIMIT, _LIMIT)
    blended: Float = np.float32(1 - share) * own + np.float32(share) * bounded
    return blended


def correct(logits: Float, classifier: Float, pixels: NDArray[np.uint8]) -> Float:
    """The logits of a class in an image, corrected by its pixels: (s, s) with s = ceil(S / 2).

    Args:
        logits: (h, h) of the network.
        classifier: (Q,) of the class, see `PixelClassifier.packed`.
        pixels: (S, S, 3), as the network saw them.
    """
    features = _features(logits, pixels)
    return PixelClassifier.unpacked(classifier).logits(features)


def _features(logits: Float, pixels: NDArray[np.uint8]) -> Float:
    """Logits (h, h), the colours at several scales and the contrast: (s, s, F).

    Args:
        logits: of the network.
        pixels: (S, S, 3); s = ceil(S / 2), at which the network's own resizing leaves detail.
    """
    side = _side(pixels)
    colours = resize_image(pixels, side).astype(np.float32) / np.float32(_GREY)
    grey = colours.mean(axis=2)
    contrast = np.sqrt(_blurred((grey - _blurred(grey, _DETAIL)) ** 2, _AROUND))
    blurred = [_blurred(colours, deviation) for deviation in _SCALES]
    own = upsample_logits(logits, side, side)
    return np.concatenate([own[..., None], *blurred, contrast[..., None]], axis=2)


def _side(pixels: NDArray[np.uint8]) -> int:
    """The side s at which an image (S, S, 3) is classified."""
    return -(-len(pixels) // 2)


def _blurred(image: Float, deviation: int) -> Float:
    """An image (S, S, ...) under a Gaussian; wide ones are taken of a smaller image."""
    side, reduction = len(image), max(1, deviation // 2)
    small = image
    if reduction > 1:
        fewer = -(-side // reduction)
        small = cv2.resize(image, (fewer, fewer), interpolation=cv2.INTER_AREA).astype(np.float32)
    soft = cv2.GaussianBlur(small, (0, 0), deviation / reduction)
    return np.asarray(
        soft if small is image else cv2.resize(soft, (side, side), interpolation=cv2.INTER_LINEAR),
        np.float32,
    )


def _standardised(features: Float, mean: Float, scale: Float) -> Float:
    """Features (..., F), standardised and clipped, and a one behind them: (..., F + 1)."""
    standardised = np.clip((features - mean) * scale, -_REACH, _REACH)
    ones = np.ones((*features.shape[:-1], 1), np.float32)
    return np.concatenate([standardised, ones], axis=-1)
