"""The state of a pool's replicas, as reported with their latest replies."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from service.engine.ray_pool.reply import Reply

_MAX_REPLICAS = 4096
_RECENT_S = 60.0


class _Report(NamedTuple):
    at: float
    pending_s: float


class Backlog:
    """Pending work of the pool, other HTTP processes' included, without asking for it.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._reports: OrderedDict[str, _Report] = OrderedDict()

    def tell(self, reply: Reply) -> None:
        """Take note of a replica."""
        self._reports[reply.replica] = _Report(self._clock(), reply.pending_s)
        self._reports.move_to_end(reply.replica)
        if len(self._reports) > _MAX_REPLICAS:
            self._reports.popitem(last=False)

    def wait_s(self) -> float:
        """Seconds of work before a new request: the mean of replicas that replied lately.

        Work that was pending then has been done since, second by second.
        """
        now = self._clock()
        recent = [each for each in self._reports.values() if now - each.at < _RECENT_S]
        if not recent:
            return 0.0
        return sum(max(0.0, each.pending_s - (now - each.at)) for each in recent) / len(recent)
