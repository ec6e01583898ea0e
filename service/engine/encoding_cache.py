"""Encodings of query images by a hash of their pixels, so that none is encoded twice."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from model.runtime import Encoded
from service.engine.base import ImageU8


class Digest(NamedTuple):
    """Cache key of a resized image; each encoder has its own entries."""

    encoder: object
    sha256: bytes


def digest(image: ImageU8, encoder: object) -> Digest:
    """The cache key of an image (S, S, 3) that is to be encoded."""
    return Digest(encoder, hashlib.sha256(image.data).digest())


async def digests_of(images: Sequence[ImageU8], encoder: object) -> list[Digest]:
    """The keys of several images, on the event loop, which other work is let into between them.

    To hash an image takes a fifth of a millisecond, and to wake a thread for it as long again.
    """
    found: list[Digest] = []
    for image in images:
        if found:
            await asyncio.sleep(0)
        found.append(digest(image, encoder))
    return found


@dataclass
class _Kept:
    nbytes: int
    digests: set[Digest] = field(default_factory=set)


class EncodingCache:
    """Keeps encodings up to a number of bytes; the longest unused batch goes first, as a whole.

    Images of a batch share its memory, so it is batches that are counted. Used from the event
    loop's thread only.

    Args:
        max_bytes: of all batches; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._encodings: dict[Digest, Encoded] = {}
        self._batches: OrderedDict[int, _Kept] = OrderedDict()

    def __contains__(self, key: Digest) -> bool:
        """Whether an image's encoding is kept; not a use."""
        return key in self._encodings

    def find(self, key: Digest) -> Encoded | None:
        """The encoding of an image, which counts as a use."""
        encoded = self._encodings.get(key)
        if encoded is not None:
            self._batches.move_to_end(id(encoded.batch))
        return encoded

    def keep(self, key: Digest, encoded: Encoded) -> None:
        """Keep the encoding of an image, if its batch fits at all."""
        if encoded.nbytes > self.max_bytes or key in self._encodings:
            return
        batch = id(encoded.batch)
        if batch not in self._batches:
            self._batches[batch] = _Kept(encoded.nbytes)
            self.nbytes += encoded.nbytes
        self._encodings[key] = encoded
        self._batches[batch].digests.add(key)
        self._batches.move_to_end(batch)
        while self.nbytes > self.max_bytes:
            _, oldest = self._batches.popitem(last=False)
            self._drop(oldest)

    def forget(self, encoder: object) -> None:
        """Drop all encodings of one encoder."""
        batches = {id(e.batch) for key, e in self._encodings.items() if key.encoder is encoder}
        for batch in batches:
            self._drop(self._batches.pop(batch))

    def _drop(self, batch: _Kept) -> None:
        self.nbytes -= batch.nbytes
        for key in batch.digests:
            del self._encodings[key]
