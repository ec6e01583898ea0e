"""Predictions that were made lately, so that none is made twice for another threshold or format."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from weakref import ReferenceType, ref

from model.contract import SupportSet
from model.runtime import HeadOutput
from service.byte_lru import ByteLRU
from service.engine.encoding_cache import Digest

_ENTRY_BYTES = 512  # what a key and its place take


class _Key(NamedTuple):
    """An image, and a class, which is the same only as long as it is the same object."""

    image: Digest
    supports: ReferenceType[SupportSet]


class PredictionCache:
    """Keeps predictions up to a number of bytes; the longest unused go first.

    A class is known again by its object: stores hand out the same one until it is changed. Keeps
    no class alive; what was predicted of one that is gone goes when the cache is next used or
    measured. Used from the event loop's thread only, but for `nbytes`.

    Args:
        max_bytes: of all predictions; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self._kept: ByteLRU[_Key, HeadOutput] = ByteLRU(max_bytes, entry_bytes=_ENTRY_BYTES)
        self._classes_gone = False

    @property
    def nbytes(self) -> int:
        """Bytes of all predictions."""
        self._drop_gone()
        return self._kept.nbytes

    def find(self, image: Digest, classes: Iterable[SupportSet]) -> dict[SupportSet, HeadOutput]:
        """Logits (h, h), presence () and the rest of those classes that are kept; a use of each."""
        self._drop_gone()
        found = ((each, self._kept.find(_Key(image, ref(each)))) for each in classes)
        return {each: prediction for each, prediction in found if prediction is not None}

    def keep(self, image: Digest, predictions: Mapping[SupportSet, HeadOutput]) -> None:
        """Keep logits (h, h), presence () and the rest of classes in an image, those that fit."""
        if not self._kept.max_bytes:
            return
        self._drop_gone()
        for supports, prediction in predictions.items():
            # Copies: both may be parts of the whole batch.
            own = HeadOutput._make(part.copy() for part in prediction)
            nbytes = sum(part.nbytes for part in own)
            self._kept.keep(_Key(image, ref(supports, self._note_gone)), own, nbytes)

    def forget(self, encoder: object) -> None:
        """Drop all predictions of one encoder."""
        self._kept.drop_where(lambda key: key.image.encoder is encoder)

    def _note_gone(self, _: object) -> None:
        """Called wherever a class goes, in any thread, so it leaves the rest to others."""
        self._classes_gone = True

    def _drop_gone(self) -> None:
        if self._classes_gone:
            self._classes_gone = False
            self._kept.drop_where(lambda key: key.supports() is None)
