"""Rate limits of one client, by the `limits` package."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

from limits import RateLimitItem, parse_many
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from service.access.rate_storage import TIMEOUT_S, RateStorage

_log = logging.getLogger(__name__)

_PAUSE_S = 1.0


class Quota(NamedTuple):
    """What a client has left of one limit.

    limit: requests in a window.
    window_s: its length.
    remaining: requests that fit right now.
    reset_s: until another fits.
    """

    limit: int
    window_s: int
    remaining: int
    reset_s: float


class Verdict(NamedTuple):
    """Whether a request is within the limits.

    retry_after_s: None if it is; else whole seconds until one will be.
    quotas: of every limit; none while the counts cannot be reached.
    """

    retry_after_s: int | None
    quotas: tuple[Quota, ...]


class RateLimits:
    """Sliding windows, which take two counters for each client and limit, however high it is.

    While the counts cannot be reached every request is allowed: a service without rate limits is
    better than none. After a failure the storage is not tried for a second, so that not every
    request waits for its timeout.

    Args:
        limits: such as `600/minute;20/second`, in the notation of the `limits` package.
        storage: of the counts.
        clock: seconds, monotonic.

    Raises:
        ValueError: the limits are not in that notation.
    """

    def __init__(
        self, limits: str, storage: RateStorage, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # A refused request still counts towards the limits checked before the one that refused it.
        # The shortest window comes first, so that a client in a tight loop does not use up the
        # longer ones.
        self._limits = sorted(parse_many(limits), key=lambda limit: limit.get_expiry())
        self._storage = storage
        self._limiter = SlidingWindowCounterRateLimiter(storage.counts)
        self._clock = clock
        self._paused_until = -math.inf

    async def take(self, client: str) -> Verdict:
        """Count a request of a client, if it is within the limits."""
        if self._clock() < self._paused_until:
            return Verdict(None, ())
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._take(client)
        except (StorageError, TimeoutError) as exc:
            self._paused_until = self._clock() + _PAUSE_S
            _log.warning("rate limits are out of reach", extra={"reason": type(exc).__name__})
            return Verdict(None, ())

    async def close(self) -> None:
        """Close the storage."""
        await self._storage.close()

    async def _take(self, client: str) -> Verdict:
        fits = True
        for limit in self._limits:
            fits = fits and await self._limiter.hit(limit, client)
        quotas = tuple([await self._quota(limit, client) for limit in self._limits])
        if fits:
            return Verdict(None, quotas)
        waits = [quota.reset_s for quota in quotas if quota.remaining < 1]
        return Verdict(max(1, math.ceil(max(waits, default=0))), quotas)

    async def _quota(self, limit: RateLimitItem, client: str) -> Quota:
        stats = await self._limiter.get_window_stats(limit, client)
        reset_s = max(0.0, stats.reset_time - time.time())
        return Quota(limit.amount, limit.get_expiry(), stats.remaining, reset_s)
