"""Between logits and probabilities."""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-6

Real = TypeVar("Real", NDArray[np.float32], NDArray[np.float64], float)


def sigmoid(logits: Real) -> Real:
    """The probabilities of logits, of any shape."""
    # By way of tanh, which saturates where exp would overflow.
    probabilities: Real = np.float32(0.5) * (1 + np.tanh(logits / 2))
    return probabilities


def logit(probability: float) -> float:
    """The inverse of the sigmoid; infinite at 0 and 1."""
    if probability in (0.0, 1.0):
        return math.inf if probability else -math.inf
    return math.log(probability) - math.log1p(-probability)


def clipped_logit(probability: float) -> float:
    """The logit of a probability; closer than 1e-6 to 0 or 1 it counts as so far from it."""
    return logit(min(max(probability, _LEAST), 1 - _LEAST))
