"""Fits the pixel classifier of a class, as far as it can be trusted (docs/adr/0032)."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from model.contract import PIXEL_FEATURES, logit
from model.runtime.bundle import Float
from model.runtime.leave_one_out import SupportImages, cell_shares
from model.runtime.logistic import (
    choice_weights,
    fit_logistic,
    held_out_logits,
    held_out_parts,
    shot_ious,
)
from model.runtime.one_thread import on_one_thread
from model.runtime.pixel_classifier import (
    PixelClassifier,
    PixelColours,
    blend,
    pixel_features,
    standardised,
    terms,
)

_SAMPLED = 2000  # pixels of each support
_SHARES = np.linspace(0, 1, 6, dtype=np.float32)  # of the regression; the rest is the answer's own
# Of mean IoU on what was held out; the colours of familiar images seldom tell a class, so there
# they must tell it plainly.
_LEAST_GAIN = {"unfamiliar": 0.01, "familiar": 0.05}
# Parts of a single support are more alike than two images are: the gain on them is lowered by this
# times the share of the regression.
_LIKENESS_WITHIN = 0.2


class _Sample(NamedTuple):
    """Some pixels of each of G images, the same ones of all; of a single one and its mirror image.

    features: (F, G, n).
    shares: (G, n) of the object.
    parts: (G, n) the number of the part that each is held out with.
    """

    features: Float
    shares: Float
    parts: NDArray[np.intp]

    @classmethod
    def of(cls, supports: SupportImages, answers: Float) -> Self:
        """From the images, and logits (G, h, h) for each."""
        pixels, masks = supports.pixels, supports.masks
        if supports.single:
            mirror_image, mirror_mask = supports.mirrored()
            pixels = np.concatenate([pixels, mirror_image])
            masks = np.concatenate([masks, mirror_mask])
        else:  # in an order of their own, so that sums of floats do not depend on how they came
            order = sorted(range(len(pixels)), key=lambda g: supports.pixels[g].tobytes())
            pixels, masks, answers = pixels[order], masks[order], answers[order]
        features = np.stack(
            [
                pixel_features(answer, PixelColours(image))
                for answer, image in zip(answers, pixels, strict=True)
            ],
            axis=1,
        )  # (F, G, s, s)
        images, side = features.shape[1:3]
        shares = cell_shares(masks, side)  # (G, s, s)
        parts = held_out_parts(shares, supports.single)
        chosen = np.random.default_rng(0).permutation(side * side)[:_SAMPLED]
        return cls(
            features.reshape(PIXEL_FEATURES, images, -1)[:, :, chosen],
            shares.reshape(images, -1)[:, chosen],
            parts.reshape(images, -1)[:, chosen],
        )


@on_one_thread
def choose_pixel_classifier(
    supports: SupportImages, answers: Float, *, threshold: float, familiar: bool = False
) -> PixelClassifier | None:
    """The classifier of a class, as far as it improves what was held out; None: it does not.

    Args:
        supports: G images.
        answers: (G, h, h) logits for each, by what was learned of the others; for a single one and
            its mirror image, by what was learned of the other quarters.
        threshold: foreground probability from which a pixel is marked.
        familiar: at least half of the images are like those that the network was trained on.
    """
    features, shares, parts = _Sample.of(supports, answers)
    mean = features.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    deviation = features.std(axis=(1, 2), dtype=np.float64).astype(np.float32)
    scale = 1 / (deviation + np.float32(1e-3))
    design = terms(standardised(features, mean, scale).reshape(PIXEL_FEATURES + 1, -1))
    solution = fit_logistic(design, shares.ravel())
    held_out = held_out_logits(design, shares.ravel(), parts.ravel(), solution)
    share = trusted_share(
        features[0],
        held_out.reshape(shares.shape),
        shares,
        logit(threshold),
        least_gain=_LEAST_GAIN["familiar" if familiar else "unfamiliar"],
        single=supports.single,
    )
    return PixelClassifier(share, mean, scale, solution) if share else None


def trusted_share(
    own: Float,
    fitted: Float,
    shares: Float,
    threshold_logit: float,
    *,
    least_gain: float = _LEAST_GAIN["unfamiliar"],
    single: bool = False,
) -> float:
    """How much of the regression to take, by what it gains on what was held out; 0: nothing sure.

    Of several supports, a gain counts less a standard error: some choice improves a few of them by
    chance.

    Args:
        own: (G, n) logits without it.
        fitted: (G, n) logits of the regression, by what was not held out.
        shares: (G, n) the truth.
        threshold_logit: from which a pixel is marked.
        least_gain: of mean IoU, less than which is nothing sure.
        single: there is one support and its mirror image.
    """
    iou = np.stack(
        [shot_ious(blend(own, fitted, each), shares, threshold_logit) for each in _SHARES]
    )  # (6, G)
    gain = iou - iou[0]
    if single:
        sure = gain.mean(axis=1) - _LIKENESS_WITHIN * _SHARES
    else:
        error = gain.std(axis=1, ddof=1) / np.sqrt(len(shares))
        sure = gain.mean(axis=1) - error
    if sure.max() < least_gain:
        return 0.0
    return float(choice_weights(sure, single=single) @ _SHARES)
