"""How many streams of events each owner has open: every one asks the store now and again."""

from collections import Counter
from collections.abc import Callable

from service.errors import TooManyRequestsError

_MOST = 16  # of one owner


class Watches:
    """Counts streams from where they are asked for; used from the event loop alone."""

    def __init__(self) -> None:
        self._open = Counter[str]()

    def begin(self, owner: str) -> Callable[[], None]:
        """Count one more.

        Returns:
            What counts it no more, however often it is called.

        Raises:
            TooManyRequestsError: the owner has as many as it may.
        """
        if self._open[owner] >= _MOST:
            raise TooManyRequestsError(f"more than {_MOST} streams of events at once")
        self._open[owner] += 1
        watching = True

        def release() -> None:
            nonlocal watching
            if watching:
                self._open[owner] -= 1
                self._open += Counter()  # forgets who watches none any more
            watching = False

        return release

    def __len__(self) -> int:
        return self._open.total()
