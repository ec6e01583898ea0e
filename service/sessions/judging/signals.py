"""What a shot's mask, image and prediction say about it, as numbers.

Everything is measured on a grid of 128 x 128, so that a shot costs milliseconds whatever the
network's input side.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, sigmoid, upsample_logits

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 19))  # 0.10, 0.15 … 0.90

_SIDE = 128
_REACH = _SIDE // 4  # how far a mask may have slipped
_EDGE_REACH = _SIDE // 8
_MEAN_EDGES = 4.0  # an edge this many times as strong as the image's mean counts as full
_MAX_TOKENS = 64  # of a shot, to prototype_similarity
_HALF = 0.5  # of a grid cell makes it object
_EPSILON = 1e-6

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]


class Signals(NamedTuple):
    """A shot in numbers, each in [0, 1]. "Predicted" is always by the class of the other shots.

    area: share of the image that is object.
    border: share of the image's outermost pixels that are object.
    iou: of the prediction with the mask, at the model's threshold.
    complement_iou: of the prediction with everything but the mask.
    inside: mean predicted probability on the object. outside: beside it.
    pixel_auroc: area under the ROC curve of the predicted probabilities, object against the rest.
    shifted_iou: of the prediction with the mask, moved to where it fits best.
    self_iou: of what the shot alone finds in its own image.
    presence: probability that the image holds the class of the others.
    token_mean_cosine: of the object's mean token to that of the others.
    token_match_cosine: mean over the object's tokens to the nearest of the others', and back.
    guided_cosine: of its guided prototype to the mean of the others'.
    edge_fit: image edge under the mask's outline, as a share of the best place nearby.
    edge_strength: image edge under the outline, against the image's mean edge.
    """

    area: float
    border: float
    iou: float
    complement_iou: float
    inside: float
    outside: float
    pixel_auroc: float
    shifted_iou: float
    self_iou: float
    presence: float
    token_mean_cosine: float
    token_match_cosine: float
    guided_cosine: float
    edge_fit: float
    edge_strength: float


class PrototypeSimilarity(NamedTuple):
    """Cosines of a shot's prototype to those of the others; see `Signals`."""

    token_mean_cosine: float
    token_match_cosine: float
    guided_cosine: float


class Prediction(NamedTuple):
    """What the head says of a shot's image: logits (h, h) by the others, and by the shot alone."""

    by_others: Float
    presence: float
    by_itself: Float


def measure(
    image: NDArray[np.uint8],
    coverage: Float,
    found: Prediction,
    *,
    similarity: PrototypeSimilarity,
    threshold: float,
) -> Signals:
    """The signals of one shot.

    Args:
        image: (S, S, 3).
        coverage: (S, S) object share of each pixel.
        found: in that image.
        similarity: of the shot to the others.
        threshold: the model's, a probability.
    """
    mask = _on_grid(coverage) >= _HALF
    probabilities = _probabilities(found.by_others)
    predicted = probabilities >= threshold
    edges = _edge_correlation(image, mask)
    inside = probabilities[mask] if mask.any() else np.zeros(1, np.float32)
    outside = probabilities[~mask] if not mask.all() else np.zeros(1, np.float32)
    values = (
        float(coverage.mean()),
        _border_share(mask),
        iou(predicted, mask),
        iou(predicted, ~mask),
        float(inside.mean()),
        float(outside.mean()),
        _auroc(inside, outside),
        _shifted_iou(predicted, mask),
        iou(_probabilities(found.by_itself) >= threshold, mask),
        found.presence,
        *similarity,
        *edges,
    )
    return Signals(*(min(1.0, max(0.0, value)) for value in values))


def iou_by_threshold(coverage: Float, logits: Float) -> list[float]:
    """IoU of a prediction (h, h) with the mask (S, S) at each of `THRESHOLDS`."""
    mask, probabilities = _on_grid(coverage) >= _HALF, _probabilities(logits)
    return [iou(probabilities >= threshold, mask) for threshold in THRESHOLDS]


def iou_at(coverage: Float, logits: Float, threshold: float) -> float:
    """IoU of a prediction (h, h) with the mask (S, S) at one threshold."""
    return iou(_probabilities(logits) >= threshold, _on_grid(coverage) >= _HALF)


def sides_touched(coverage: Float) -> int:
    """How many of the image's four sides object pixels of the mask (S, S) lie on."""
    edges = (coverage[0], coverage[-1], coverage[:, 0], coverage[:, -1])
    return sum(bool((edge >= _HALF).any()) for edge in edges)


def prototype_similarity(
    shot: SupportPrototype, others: Sequence[SupportPrototype]
) -> PrototypeSimilarity:
    """The shot's prototype beside those of the others, of which there is one at least."""
    own, theirs = _tokens(shot), [_tokens(other) for other in others]
    mean = np.mean([_direction(each) for each in theirs], axis=0, dtype=np.float32)
    guided = np.mean([other.guided for other in others], axis=0, dtype=np.float32)
    return PrototypeSimilarity(
        token_mean_cosine=float(np.dot(_direction(own), _unit(np.asarray(mean, np.float32)))),
        token_match_cosine=float(np.mean([_token_match_cosine(own, each) for each in theirs])),
        guided_cosine=float(
            np.dot(_unit(shot.guided.astype(np.float32)), _unit(np.asarray(guided, np.float32)))
        ),
    )


def _direction(tokens: Float) -> Float:
    return _unit(np.asarray(tokens.mean(axis=0), np.float32))


def _tokens(shot: SupportPrototype) -> Float:
    """At most `_MAX_TOKENS` of a shot's tokens, spread evenly."""
    rows = np.linspace(0, len(shot.tokens) - 1, min(len(shot.tokens), _MAX_TOKENS))
    return shot.tokens[rows.round().astype(np.intp)].astype(np.float32)


def _token_match_cosine(first: Float, second: Float) -> float:
    cosines = first @ second.T
    return float(cosines.max(axis=1).mean() + cosines.max(axis=0).mean()) / 2


def iou(first: Bool, second: Bool) -> float:
    """Intersection over union; 0 where both are empty."""
    return float((first & second).sum() / max(1, (first | second).sum()))


def _unit(vector: Float) -> Float:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), _EPSILON), np.float32)


def _on_grid(pixels: Float) -> Float:
    resized = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.float32)


def _probabilities(logits: Float) -> Float:
    """Probabilities (128, 128) of logits (h, h)."""
    return sigmoid(upsample_logits(logits, _SIDE, _SIDE))


def _border_share(mask: Bool) -> float:
    frame = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return float(frame.mean())


def _auroc(inside: Float, outside: Float) -> float:
    """By ranks, as the Mann-Whitney U statistic; ties count half."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, "left") + np.searchsorted(ordered, inside, "right")
    return float(below.mean() / (2 * len(ordered)))


def _shifted_iou(predicted: Bool, mask: Bool) -> float:
    overlap = _correlation(predicted.astype(np.float32), mask.astype(np.float32), _REACH)
    union = float(predicted.sum() + mask.sum()) - overlap
    return float((overlap / np.maximum(union, 1)).max())


def _edge_correlation(image: NDArray[np.uint8], mask: Bool) -> tuple[float, float]:
    """`edge_fit` and `edge_strength`; the image's border is no edge of an object."""
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    steps = cv2.Sobel(small, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(small, cv2.CV_32F, 0, 1) ** 2
    edges = np.asarray(np.sqrt(steps.max(axis=2)), np.float32)
    outline = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    outline[[0, -1]] = 0
    outline[:, [0, -1]] = 0
    length = float(outline.sum())
    mean = float(edges.mean())
    if length == 0 or mean == 0:
        return 0.0, 0.0
    strengths = _correlation(edges, outline.astype(np.float32), _EDGE_REACH) / length
    here = float(strengths[_EDGE_REACH, _EDGE_REACH])
    return here / max(float(strengths.max()), _EPSILON), here / mean / _MEAN_EDGES


def _correlation(fixed: Float, moved: Float, reach: int) -> Float:
    """Products summed for every shift of `moved` by up to `reach`, (2 reach + 1, 2 reach + 1)."""
    size = _SIDE + reach  # what is moved over the border leaves the image
    spectrum = np.fft.rfft2(fixed, (size, size)) * np.conj(np.fft.rfft2(moved, (size, size)))
    sums = np.fft.irfft2(spectrum, (size, size))
    shifts = np.arange(-reach, reach + 1)
    return np.asarray(sums[np.ix_(shifts, shifts)], np.float32)
