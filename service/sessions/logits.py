"""Between logits and probabilities."""

import math

import numpy as np
from numpy.typing import NDArray


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probabilities of logits, of any shape."""
    # By way of tanh, which saturates where exp would overflow.
    return np.float32(0.5) * (1 + np.tanh(logits / 2))


def logit(probability: float) -> float:
    """The inverse of the sigmoid; infinite at 0 and 1."""
    if probability in (0.0, 1.0):
        return math.inf if probability else -math.inf
    return math.log(probability) - math.log1p(-probability)
