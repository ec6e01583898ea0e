"""What a container reader returns, and the limit they share."""

from typing import NamedTuple

# Files in the wild stay far below; a reader's loop over more is an attack on its time.
MAX_CHUNKS = 1 << 16


class Source(NamedTuple):
    """A file reduced to what decoding its first picture needs.

    body: a file of the same format without metadata.
    height, width: pixels as stored, before orientation.
    orientation: EXIF orientation, 1 to 8; 1 when there is none.
    lossy: the coding does not keep pixel values, so a mask in it has ringing.
    """

    body: bytes
    height: int
    width: int
    orientation: int = 1
    lossy: bool = False
