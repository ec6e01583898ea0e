"""Whether an image is like those that a network was trained on."""

import numpy as np
from numpy.typing import NDArray

from model.contract import Familiar
from model.runtime.bundle import Float
from model.runtime.encoded import Encoded

_MIN_NORM = 1e-6


def image_vectors(encoded: Encoded) -> Float:
    """The mean over an image's cells of their L2-normalised high-level features, (B, D)."""
    high = encoded.to_numpy("high_feature")  # (B, D, h, w)
    norms = np.linalg.norm(high, axis=1, keepdims=True)
    vectors: Float = (high / np.maximum(norms, _MIN_NORM)).mean(axis=(2, 3))
    return vectors


def are_familiar(encoded: Encoded, familiar: Familiar | None) -> NDArray[np.bool_]:
    """Which images (B,) are as close to the centre as those of training; all without `familiar`."""
    if familiar is None:
        return np.ones(len(encoded), np.bool_)
    centre = np.asarray(familiar.centre, np.float32)
    distance = np.linalg.norm(image_vectors(encoded) - centre, axis=1)
    familiar_images: NDArray[np.bool_] = distance <= familiar.distance
    return familiar_images
