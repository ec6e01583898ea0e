"""Query images as the encoder takes them, by their files, so that none is decoded twice."""

import hashlib
import threading
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Decoded(NamedTuple):
    """A query ready for the encoder, and the size its masks must have."""

    pixels: NDArray[np.uint8]  # (S, S, 3)
    height: int
    width: int


class FileKey(NamedTuple):
    """What a file is known by, and the side S that it was brought to."""

    side: int
    sha256: bytes

    @classmethod
    def of(cls, data: bytes, side: int) -> "FileKey":
        """The key of a file's bytes."""
        return cls(side, hashlib.sha256(data).digest())


class DecodedImages:
    """Bounded by bytes; what was longest unused goes first. Used from codec threads.

    Args:
        max_bytes: of all pixels; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._images: OrderedDict[FileKey, Decoded] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: FileKey) -> Decoded | None:
        """The image of a file, which counts as a use."""
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
            return self._images.get(key)

    def keep(self, key: FileKey, image: Decoded) -> None:
        """Keep the image of a file, which nobody may write to any more, if it fits at all."""
        if image.pixels.nbytes > self.max_bytes:
            return
        image.pixels.flags.writeable = False
        with self._lock:
            if key in self._images:
                return
            self._images[key] = image
            self.nbytes += image.pixels.nbytes
            while self.nbytes > self.max_bytes:
                _, oldest = self._images.popitem(last=False)
                self.nbytes -= oldest.pixels.nbytes
