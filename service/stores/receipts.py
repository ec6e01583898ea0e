"""Receipts of idempotent changes, in the memory of this process."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from service.errors import IdempotencyKeyReusedError
from service.stores.base import IdempotencyToken, SessionKey


class _Receipt(NamedTuple):
    fingerprint: str
    session: SessionKey
    until: float


class Receipts:
    """A bounded record; when full, the oldest entry is dropped.

    Args:
        ttl_s: how long a change is remembered.
        capacity: of the record.
        clock: seconds, monotonic.
    """

    def __init__(self, ttl_s: float, *, capacity: int, clock: Callable[[], float]) -> None:
        self._ttl_s = ttl_s
        self._capacity = capacity
        self._clock = clock
        self._receipts: OrderedDict[tuple[str, str], _Receipt] = OrderedDict()  # oldest first

    def find(self, owner: str, once: IdempotencyToken) -> SessionKey | None:
        """The session that a change was made to; None if it was not made yet.

        Raises:
            IdempotencyKeyReusedError.
        """
        self._expire()
        receipt = self._receipts.get((owner, once.key))
        if receipt is None:
            return None
        if receipt.fingerprint != once.fingerprint:
            raise IdempotencyKeyReusedError
        return receipt.session

    def add(self, once: IdempotencyToken, session: SessionKey) -> None:
        """Record a change that `find` does not know."""
        while len(self._receipts) >= self._capacity:
            self._receipts.popitem(last=False)
        receipt = _Receipt(once.fingerprint, session, self._clock() + self._ttl_s)
        self._receipts[session.owner, once.key] = receipt

    def _expire(self) -> None:
        now = self._clock()
        while self._receipts and next(iter(self._receipts.values())).until <= now:
            self._receipts.popitem(last=False)
