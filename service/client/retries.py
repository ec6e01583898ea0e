"""Whether a request is retried, and after how long."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from random import uniform

import httpx

_BUSY = frozenset({429, 503})
# The service responds so before it has stored anything, so any request may be retried.
_REFUSED_BEFORE = frozenset(
    {"not_ready", "queue_full", "rate_limited", "too_many_requests", "worker_lost"}
)
# A retry cannot help.
_FINAL = frozenset({"jobs_disabled"})
_JITTER = 0.25


@dataclass(frozen=True)
class Retries:
    """How often, and after what wait, a client retries.

    attempts: requests for one call, the first included.
    first_wait_s: before the second attempt where the service names no time; doubled each time.
    longest_wait_s: for one wait; a service that asks for more is not asked again.
    """

    attempts: int = 6
    first_wait_s: float = 0.25
    longest_wait_s: float = 30.0

    def wait_s(
        self, attempt: int, outcome: httpx.Response | httpx.RequestError, *, repeatable: bool
    ) -> float | None:
        """Seconds to wait before the next attempt; None: the outcome stands.

        Args:
            attempt: how many there have been.
            outcome: of the last one.
            repeatable: whether doing the same twice does no harm.
        """
        if attempt >= self.attempts or not _may_repeat(outcome, repeatable):
            return None
        asked_s = _retry_after_s(outcome) if isinstance(outcome, httpx.Response) else None
        if asked_s is None:
            longest_s = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1))
            return longest_s * uniform(0.5, 1)  # noqa: S311 - spreads clients, hides nothing
        if asked_s > self.longest_wait_s:
            return None
        # Never earlier than asked; a little later, so that not all clients return at once.
        return asked_s * uniform(1, 1 + _JITTER)  # noqa: S311


def _may_repeat(outcome: httpx.Response | httpx.RequestError, repeatable: bool) -> bool:
    if isinstance(outcome, httpx.Response):
        if outcome.status_code not in _BUSY:
            return False
        code = _code(outcome)
        return code not in _FINAL and (repeatable or code in _REFUSED_BEFORE)
    if isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return False  # the request itself cannot be sent
    # Without a connection, the request was not sent.
    return repeatable or isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout)


def _code(response: httpx.Response) -> str:
    try:
        problem = response.json()
    except ValueError:
        return ""
    return str(problem.get("code")) if isinstance(problem, dict) else ""


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds from `Retry-After`, which is seconds or a date (RFC 9110, 10.2.3); else None."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # an odd year
        return None
    return max(0.0, (when - datetime.now(when.tzinfo)).total_seconds())
