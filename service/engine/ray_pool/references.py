"""Prototypes in Ray's object store, so that a session's are sent to each node once."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import ray
from numpy.typing import NDArray

from model.contract import SupportSet
from service.byte_lru import ByteLRU

Reference = ray.ObjectRef[tuple[SupportSet, ...]]


class References:
    """Object references to the classes of requests, by a hash of their content.

    Ray copies an object to a node when a replica there first needs it, and replicas on that node
    read it where it lies. The longest unused is given up first; Ray keeps it while a request that
    is on its way needs it. May be used from several threads.

    Args:
        max_bytes: of all that are kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._kept: ByteLRU[bytes, Reference] = ByteLRU(max_bytes)
        self._digests: WeakKeyDictionary[SupportSet, bytes] = WeakKeyDictionary()
        self._putting = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of all that are kept."""
        return self._kept.nbytes

    def to(self, classes: Sequence[SupportSet]) -> Reference:
        """The reference to these classes, put into the store if missing; blocks briefly."""
        key = b"".join(map(self._digest, classes))
        if (reference := self._kept.find(key)) is not None:
            return reference
        needed = tuple(_needed(each).averaged() for each in classes)
        with self._putting:
            reference = self._kept.find(key)  # another thread may have been first
            if reference is None:
                reference = ray.put(needed)
                self._kept.keep(key, reference, sum(each.nbytes for each in needed))
            return reference

    def _digest(self, supports: SupportSet) -> bytes:
        """The digest of a class, computed once for as long as it lives."""
        if supports not in self._digests:
            self._digests[supports] = digest(supports)
        return self._digests[supports]


def digest(supports: SupportSet) -> bytes:
    """A key of a class, made of what the engine needs of it."""
    found = hashlib.sha256()
    needed = _needed(supports)
    _take(found, b"class", needed)
    if needed.close_up is not None:
        _take(found, b"close_up", needed.close_up)
    return found.digest()


def _needed(supports: SupportSet) -> SupportSet:
    """What the engine needs of a class; of its close-up the shots, if these tell its identity."""
    identities, close_up = supports.identities, None
    if supports.close_up is not None and identities is None:
        close_up = SupportSet(supports.close_up.shots)
    return SupportSet(
        supports.shots,
        refit=supports.refit,
        unfamiliar=supports.unfamiliar,
        close_up=close_up,
        identities=identities,
    )


def _take(found: "hashlib._Hash", mark: bytes, supports: SupportSet) -> None:
    found.update(mark)
    found.update(bytes([supports.unfamiliar]))
    for array in _arrays(supports):
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)


def _arrays(supports: SupportSet) -> Iterator[NDArray[np.float16] | NDArray[np.float32]]:
    for shot in supports.shots:
        yield from shot
    if supports.refit is not None:
        yield supports.refit
    if supports.identities is not None:
        yield supports.identities
