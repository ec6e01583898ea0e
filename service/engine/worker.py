"""One thread per device that runs the engine's lanes in batches, and restarts after a crash."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from service.engine.fair_lock import FairLock
from service.engine.lane import Lane, Payload, Result, WorkItem
from service.engine.priority import lower_priority
from service.errors import InferenceError, NotReadyError, ServiceError, WorkerLostError

_log = logging.getLogger(__name__)

# One batch may fail because of its content. So many in a row fail because of the device.
_FAILURES_UNTIL_REVIVAL = InferenceError.max_attempts - 1
_REVIVALS_UNTIL_FAILURE = 5
_PAUSES_S = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)
_LONGEST_BATCH_S = 10.0  # of a worker that is to stop
# Batches of a higher rank in a row, and their seconds, after which the lower ranks get a turn:
# images that are cached need the head alone, so they could keep every new image waiting.
_MAX_AHEAD, _MAX_AHEAD_S = 3, 0.1


def _nothing(*_: object) -> None: ...


class Worker:
    """Runs lanes on a thread of its own; lanes of a higher rank go first, but not for ever.

    Whatever ends the thread's loop, the callers of the running batch get an error at once, queued
    items stay queued, and the loop restarts once `revive` has succeeded.

    Args:
        name: of the device, for logs and metrics.
        lanes: of the device.
        device_lock: of the device, shared with the workers of other bundles.
        revive: reloads the device after a crash; raises while it cannot.
        clock: seconds, monotonic.
        on_batch: called with the lane, its items and the seconds they took, for metrics.
        pause: waits some seconds between attempts to revive, or until the event is set.
    """

    def __init__(
        self,
        name: str,
        lanes: Sequence[Lane[Any, Any]],
        *,
        device_lock: FairLock | None = None,
        revive: Callable[[], None] = _nothing,
        clock: Callable[[], float] = time.monotonic,
        on_batch: Callable[[Lane[Any, Any], Sequence[WorkItem[Any, Any]], float], None] = _nothing,
        pause: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self.name = name
        self.lanes = tuple(lanes)
        self.restarts = 0
        self._failure: str | None = None
        self._attempts = 0
        self._revive, self._clock, self._on_batch, self._pause = revive, clock, on_batch, pause
        self._device_lock = device_lock or FairLock()
        self._last_turn = {lane.name: 0 for lane in lanes}
        self._lowest_rank = min(lane.rank for lane in lanes)
        self._ahead, self._ahead_s = 0, 0.0  # batches in a row of a rank above the lowest
        self._wakeup = threading.Condition()
        self._stopping = threading.Event()
        self._up = False
        self._running: Sequence[WorkItem[Any, Any]] = ()
        self._due_since: float | None = None
        self._failures = 0
        self._thread = threading.Thread(target=self._live, name=f"engine-{name}", daemon=True)

    @property
    def failure(self) -> str | None:
        """Why the device does not come back, if so."""
        if self._up and not self._thread.is_alive() and not self._stopping.is_set():
            return f"{self.name}: the worker's thread has ended"
        return self._failure

    @property
    def alive(self) -> bool:
        """The thread takes work."""
        return self._thread.is_alive() and self._up and not self._stopping.is_set()

    @property
    def waiting(self) -> int:
        """Work items that wait or run."""
        return sum(len(lane.queue) for lane in self.lanes) + len(self._running)

    @property
    def busy_s(self) -> float:
        """Seconds since a batch, or a reload of the device, asked for it; 0 if there is none."""
        due_since = self._due_since
        return 0.0 if due_since is None else self._clock() - due_since

    def start(self) -> None:
        """Begin to serve; once."""
        self._up = True
        self._thread.start()

    def stop(self) -> None:
        """Let the batch that runs finish, fail what still waits, and join the thread.

        A batch that does not end is left behind with its thread, and its callers get an error.
        """
        with self._wakeup:
            self._stopping.set()
            abandoned = [item for lane in self.lanes for item in lane.queue]
            for lane in self.lanes:
                lane.queue = []
            self._wakeup.notify()
        for item in abandoned:
            item.fail(NotReadyError("the service is stopping"))
        if self._thread.is_alive():
            self._thread.join(_LONGEST_BATCH_S)
        if self._thread.is_alive():
            _log.critical("worker does not end its batch", extra={"device": self.name})
            self._abandon(NotReadyError("the service is stopping"))

    def submit(
        self, lane: Lane[Payload, Result], payloads: Sequence[Payload], *, deadline_at: float
    ) -> list[WorkItem[Payload, Result]]:
        """Queue payloads at once, so that they may share a batch; `deadline_at` on the clock.

        Work is also accepted while the worker restarts: it waits until its deadline, or until the
        device counts as lost.

        Raises:
            NotReadyError: the worker has not started, or it stops.
        """
        with self._wakeup:
            if self._stopping.is_set() or not self._thread.is_alive():
                raise NotReadyError
            items = lane.add(payloads, self._clock(), deadline_at)
            self._wakeup.notify()
        return items

    def _live(self) -> None:
        lower_priority()
        while not self._stopping.is_set():
            # An error while a crash is handled must not end the thread either.
            with suppress(BaseException):
                self._live_once()

    def _live_once(self) -> None:
        """Serve until something fails; restart first, if that has happened before."""
        try:
            if not self._up and not self._revived():
                return
            self._serve()
        except BaseException as exc:
            self._up = False
            error = WorkerLostError()
            error.__cause__ = exc
            self._abandon(error)
            _log.critical("worker died", exc_info=exc, extra={"device": self.name})
            raise

    def _serve(self) -> None:
        while self._work_is_due():
            with self._busy(), self._device_lock.hold():
                self._run_batch()

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """A block in which the device is asked for something, or waited for."""
        self._due_since = self._clock()
        try:
            yield
        finally:
            self._due_since = None

    def _run_batch(self) -> None:
        """Take and run the batch that is due; by now there may be none left."""
        lane, items = self._next_batch()
        if lane is None:
            return
        failure = lane.answer(items, self._clock)
        seconds = self._clock() - items[0].taken_at
        if lane.rank > self._lowest_rank:
            self._ahead_s += seconds
        self._on_batch(lane, items, seconds)
        self._running = ()
        self._count_failure(failure)

    def _count_failure(self, failure: Exception | None) -> None:
        """Give up on the device after failures in a row; non-finite outputs do not count."""
        broken = failure is not None and not isinstance(failure, FloatingPointError)
        self._failures = self._failures + 1 if broken else 0
        if self._failures >= _FAILURES_UNTIL_REVIVAL:
            raise InferenceError("batch after batch fails on this device") from failure

    def _abandon(self, error: ServiceError) -> None:
        for item in self._running:
            item.finish(error)
        self._running, self._failures = (), 0

    def _revived(self) -> bool:
        """Try to reload the device; pause after a failure."""
        try:
            with self._busy():
                self._revive()
        except Exception as exc:  # noqa: BLE001 - tried again, and told by a probe
            self._attempts += 1
            _log.critical("worker not revived", exc_info=exc, extra={"device": self.name})
            if self._attempts >= _REVIVALS_UNTIL_FAILURE:
                self._failure = f"{self.name}: {type(exc).__name__}: {exc}"
            self._give_up_waiting()
            self._pause(self._stopping, _PAUSES_S[min(self._attempts, len(_PAUSES_S)) - 1])
            return False
        self._failure, self._attempts, self._up = None, 0, True
        self.restarts += 1
        _log.warning("worker revived", extra={"device": self.name})
        return True

    def _give_up_waiting(self) -> None:
        """Fail the items past their deadline, or all of them once the device counts as lost."""
        until = math.inf if self._failure else self._clock()
        with self._wakeup:
            given_up = [item for lane in self.lanes for item in lane.give_up(until)]
        for item in given_up:
            item.fail(WorkerLostError())

    def _work_is_due(self) -> bool:
        """Wait until some lane has something to take; False once stopping."""
        with self._wakeup:
            while not self._stopping.is_set():
                now = self._clock()
                due_at = [lane.due_at(now) for lane in self.lanes]
                known = [instant for instant in due_at if instant is not None]
                if known and min(known) <= now:
                    return True
                self._wakeup.wait(max(0.0, min(known) - self._clock()) if known else None)
        return False

    def _next_batch(self) -> tuple[Lane[Any, Any] | None, Sequence[WorkItem[Any, Any]]]:
        """The lane whose turn it is, and its batch; none if everything was withdrawn."""
        long_ahead = self._ahead >= _MAX_AHEAD or self._ahead_s >= _MAX_AHEAD_S
        rank_sign = 1 if long_ahead else -1
        with self._wakeup:
            for lane in self.lanes:
                lane.fail_expired(self._clock())
            for lane in sorted(
                self.lanes, key=lambda e: (rank_sign * e.rank, self._last_turn[e.name])
            ):
                if items := lane.take(self._clock()):
                    self._last_turn[lane.name] = 1 + max(self._last_turn.values())
                    self._ahead = self._ahead + 1 if lane.rank > self._lowest_rank else 0
                    self._ahead_s = self._ahead_s if self._ahead else 0.0
                    self._running = items
                    return lane, items
        return None, ()
