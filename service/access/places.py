"""A bound on the requests of one client, so that it cannot take every place there is."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import TooManyRequestsError


class ClientPlaces:
    """Counts each client's requests in progress; used from the event loop's thread only.

    Args:
        capacity: of one client; None: any number.
    """

    def __init__(self, capacity: int | None) -> None:
        self._capacity = capacity
        self._inside: Counter[str] = Counter()

    @contextmanager
    def hold(self, client: str) -> Iterator[None]:
        """Hold a place for the block.

        Raises:
            TooManyRequestsError: the client has all its places taken.
        """
        if self._capacity is not None and self._inside[client] >= self._capacity:
            raise TooManyRequestsError(
                f"{self._capacity} requests of this client are already in progress"
            )
        self._inside[client] += 1
        try:
            yield
        finally:
            self._inside[client] -= 1
            if not self._inside[client]:
                del self._inside[client]  # clients come and go; their number has no bound
