"""What a segmenter answers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Marked(NamedTuple):
    """An answer: foreground logits (h, w), and the chance in (0, 1) that the class is there."""

    logits: NDArray[np.float32]
    presence: float
