"""A cache of decoded and resized query images, by a hash of their files."""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.runtime import Window
from service.byte_lru import ByteLRU


class QueryImage(NamedTuple):
    """A query ready for the encoder, and the size its masks must have.

    file: its bytes, where close-ups or tiles may be needed; else None.
    """

    pixels: NDArray[np.uint8]  # (S, S, 3)
    height: int
    width: int
    file: bytes | None = None


class FileKey(NamedTuple):
    """Cache key of an image.

    The file's SHA-256, the side S it was resized to, and the window cropped from it, if any.
    """

    side: int
    sha256: bytes
    window: Window | None = None

    @classmethod
    def of(cls, data: bytes, side: int) -> "FileKey":
        """The key of a whole image, by the bytes of its file."""
        return cls(side, hashlib.sha256(data).digest())


class DecodedImages:
    """Keeps images and windows up to a number of bytes; the longest unused goes first.

    Used from codec threads.

    Args:
        max_bytes: of all pixels; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._images: ByteLRU[FileKey, QueryImage] = ByteLRU(max_bytes)

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return self._images.nbytes

    def find(self, key: FileKey) -> QueryImage | None:
        """The image of a file, which counts as a use."""
        return self._images.find(key)

    def keep(self, key: FileKey, image: QueryImage) -> None:
        """Keep the image of a file without the file, if it fits at all; nobody may write to it."""
        image.pixels.flags.writeable = False
        self._images.keep(key, image._replace(file=None), image.pixels.nbytes)
