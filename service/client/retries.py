"""Whether a request is retried, and after how long."""

import time
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
_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout)
_JITTER = 0.25


@dataclass(frozen=True)
class Retries:
    """How often, and after what wait, a client retries.

    attempts: requests for one call, the first included.
    first_wait_s: before the second attempt where the service names no time; doubled each time.
    longest_wait_s: for one wait; a service that asks for more is not asked again.
    restart_s: how long `segment_many` and `Job.wait` wait for a service that has answered and is
        away, as it starts again. Such attempts do not count; where there is only one, none waits.
    """

    attempts: int = 6
    first_wait_s: float = 0.25
    longest_wait_s: float = 30.0
    restart_s: float = 300.0

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


class Contact:
    """Whether the service has answered any of several requests: one that has will come back.

    If none was answered, the address may be wrong.
    """

    def __init__(self) -> None:
        self._answered = False

    def is_away(self, outcome: httpx.Response | httpx.RequestError) -> bool:
        """Whether a service that was there refuses connections, or is not ready."""
        if isinstance(outcome, _NOT_CONNECTED):
            return self._answered
        self._answered = True
        return isinstance(outcome, httpx.Response) and _code(outcome) == "not_ready"


class Attempts:
    """Counts those of one call.

    Args:
        retries: what is done about them.
        contact: of the calls of which it is one; None: no service is waited for that is away.
    """

    def __init__(self, retries: Retries, contact: Contact | None) -> None:
        self._retries = retries
        self._contact = contact
        self._counted = self._away = 0
        self._away_since: float | None = None

    def count(self, outcome: httpx.Response | httpx.RequestError) -> int:
        """The number of the attempt with this outcome, for `Retries.wait_s`.

        While the service is away, for up to `Retries.restart_s`, it is never the last.
        """
        if self._contact is None or not self._contact.is_away(outcome):
            self._away, self._away_since = 0, None
            self._counted += 1
            return self._counted
        now = time.monotonic()
        self._away += 1
        self._away_since = self._away_since or now
        if now - self._away_since >= self._retries.restart_s:
            return self._retries.attempts
        return max(1, min(self._away, self._retries.attempts - 1))


def _may_repeat(outcome: httpx.Response | httpx.RequestError, repeatable: bool) -> bool:
    if isinstance(outcome, httpx.Response):
        if outcome.status_code not in _BUSY:
            return False
        code = _code(outcome)
        return code not in _FINAL and (repeatable or code in _REFUSED_BEFORE)
    if isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return False  # the request itself cannot be sent
    # Without a connection, the request was not sent.
    return repeatable or isinstance(outcome, _NOT_CONNECTED)


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
