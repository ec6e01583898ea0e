"""Receipts of idempotent changes, in the memory of this process."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from service.errors import IdempotencyKeyReusedError
from service.stores.base import IdempotencyToken, SessionKey


class _Receipt(NamedTuple):
    fingerprint: str
    session: SessionKey
    until: float


class Receipts:
    """A bounded record; when full, the owner with the most entries loses its oldest.

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
        self._of_owner: Counter[str] = Counter()

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
        receipt = _Receipt(once.fingerprint, session, self._clock() + self._ttl_s)
        self._receipts[session.owner, once.key] = receipt
        self._of_owner[session.owner] += 1
        if len(self._receipts) > self._capacity:
            ((most, _),) = self._of_owner.most_common(1)
            self._drop(next(key for key in self._receipts if key[0] == most))

    def _expire(self) -> None:
        now = self._clock()
        while self._receipts:
            key, oldest = next(iter(self._receipts.items()))
            if oldest.until > now:
                return
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        del self._receipts[key]
        owner, _ = key
        self._of_owner[owner] -= 1
        if not self._of_owner[owner]:
            del self._of_owner[owner]
