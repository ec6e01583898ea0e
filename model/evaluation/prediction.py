"""What a segmenter returns; apart from the episode loops, so that segmenters need no data room."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Prediction(NamedTuple):
    """Foreground logits (h, w), and the probability in (0, 1) that the class is in the image."""

    logits: NDArray[np.float32]
    presence: float
