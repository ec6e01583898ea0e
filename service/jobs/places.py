"""How many of a thing each owner has at once, such as streams of events."""

from collections import Counter
from collections.abc import Callable

from service.errors import TooManyRequestsError


class OwnerPlaces:
    """Counts from where a thing is asked for; used from the event loop alone.

    Args:
        most: of one owner.
        what: there may not be more of, in the plural.
    """

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._taken = Counter[str]()

    def take(self, owner: str) -> Callable[[], None]:
        """Count one more.

        Returns:
            What counts it no more, however often it is called.

        Raises:
            TooManyRequestsError: the owner has as many as it may.
        """
        if self._taken[owner] >= self._most:
            raise TooManyRequestsError(f"more than {self._most} {self._what} at once")
        self._taken[owner] += 1
        held = True

        def release() -> None:
            nonlocal held
            if held:
                self._taken[owner] -= 1
                self._taken += Counter()  # forgets who has none any more
            held = False

        return release

    def __len__(self) -> int:
        return self._taken.total()
