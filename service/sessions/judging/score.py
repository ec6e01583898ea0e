"""Detects bad shots by three logistic scores, one a kind of fault; the highest counts.

A score weighs a shot's signals, and how far each is from the mean of the other shots'. The weights
in `score.json` were fitted to corrupted shots by `python -m tests.report_card` (docs/report-card.md
tells the figures); they suit the shipped network.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from model.contract import sigmoid
from service.sessions.judging.signals import Signals

Kind = Literal["wrong_class", "inverted", "shifted"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SCORE_FILE = Path(__file__).with_name("score.json")
_MOSTLY_BORDER = 0.75  # of the border: a mask with more of it is hardly the object


class Weights(NamedTuple):
    """weights: (3, F) by kind. bias: (3,); at 0 a shot is flagged."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


class Suspicion(NamedTuple):
    """probability: in [0, 1], from 0.5 on the shot is flagged. kind: what it looks most like."""

    probability: float
    kind: Kind


def suspicions(signals: Mapping[int, Signals]) -> dict[int, Suspicion]:
    """The suspicion of each shot beside all the others; none where there is a single one."""
    if len(signals) < 2:
        return {}
    rows = features(list(signals.values()))
    return {shot: _suspicion(row) for shot, row in zip(signals, rows, strict=True)}


def mostly_border(shots: Iterable[Signals]) -> bool:
    """Whether the masks of these shots, taken together, cover most of the borders of their images.

    The masks of a single shot, or of all shots of a class, are then probably inverted
    (docs/report-card.md tells the figures).
    """
    return float(np.mean([shot.border for shot in shots])) > _MOSTLY_BORDER


def features(signals: Sequence[Signals]) -> NDArray[np.float64]:
    """(K, F): the signals of each of K shots, and those minus the mean of the other shots'."""
    values = np.array(signals, np.float64)
    others = (values.sum(axis=0) - values) / (len(values) - 1)
    return np.concatenate([values, values - others], axis=1)


def _suspicion(row: NDArray[np.float64]) -> Suspicion:
    known = read_weights()
    scores = known.weights @ row + known.bias
    worst = int(scores.argmax())
    return Suspicion(sigmoid(float(scores[worst])), KINDS[worst])


@cache
def read_weights() -> Weights:
    """The weights that were fitted."""
    stored = json.loads(SCORE_FILE.read_text())
    weights = [[stored[kind]["weights"][name] for name in FEATURES] for kind in KINDS]
    return Weights(np.array(weights), np.array([stored[kind]["bias"] for kind in KINDS]))


FEATURES = (*Signals._fields, *(f"{name} minus others" for name in Signals._fields))
