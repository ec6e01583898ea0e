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
from service.engine.recovery import DeviceState, Recovery
from service.engine.turns import Turns
from service.errors import NotReadyError, ServiceError, WorkerLostError

_log = logging.getLogger(__name__)

_LONGEST_BATCH_S = 10.0  # of a worker that is to stop


def _nothing(*_: object) -> None: ...


class Worker:
    """Runs lanes on a thread of its own, by their turns.

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
        self._revive, self._clock, self._on_batch, self._pause = revive, clock, on_batch, pause
        self._device_lock = device_lock or FairLock()
        self._turns = Turns(lanes)
        self._recovery = Recovery(name)
        self._wakeup = threading.Condition()  # its lock guards the lanes
        self._stopping = threading.Event()
        self._running: Sequence[WorkItem[Any, Any]] = ()
        self._due_since: float | None = None
        self._thread = threading.Thread(target=self._live, name=f"engine-{name}", daemon=True)

    @property
    def failure(self) -> str | None:
        """Why the device does not come back, if so."""
        started, stopping = self._thread.ident is not None, self._stopping.is_set()
        if started and not stopping and not self._thread.is_alive():
            return f"{self.name}: the worker's thread has ended"
        return self._recovery.failure

    @property
    def alive(self) -> bool:
        """The thread takes work."""
        working = self._recovery.state is DeviceState.WORKING
        return working and self._thread.is_alive() and not self._stopping.is_set()

    @property
    def waiting(self) -> int:
        """Work items that wait or run."""
        return sum(lane.depth() for lane in self.lanes) + len(self._running)

    @property
    def busy_s(self) -> float:
        """How long the device has been busy with the current batch or reload; 0 if it is idle."""
        due_since = self._due_since
        return 0.0 if due_since is None else self._clock() - due_since

    def start(self) -> None:
        """Begin to serve; once."""
        self._thread.start()

    def stop(self) -> None:
        """Let the batch that runs finish, fail what still waits, and join the thread.

        A batch that does not end is left behind with its thread, and its callers get an error.
        """
        with self._wakeup:
            self._stopping.set()
            abandoned = [item for lane in self.lanes for item in lane.give_up(math.inf)]
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
            if self._recovery.state is not DeviceState.WORKING and not self._revived():
                return
            self._serve()
        except BaseException as exc:
            self._recovery.crashed()
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
        self._turns.ran(lane, seconds)
        self._on_batch(lane, items, seconds)
        self._running = ()
        self._recovery.ran(lane.name, failure)

    def _abandon(self, error: ServiceError) -> None:
        for item in self._running:
            item.finish(error)
        self._running = ()

    def _revived(self) -> bool:
        """Try to reload the device; pause after a failure."""
        try:
            with self._busy():
                self._revive()
        except Exception as exc:  # noqa: BLE001 - tried again, and told by a probe
            _log.critical("worker not revived", exc_info=exc, extra={"device": self.name})
            pause_s = self._recovery.not_reloaded(exc)
            self._give_up_waiting()
            self._pause(self._stopping, pause_s)
            return False
        self._recovery.reloaded()
        _log.warning("worker revived", extra={"device": self.name})
        return True

    def _give_up_waiting(self) -> None:
        """Fail the items past their deadline, or all of them once the device counts as lost."""
        until = math.inf if self._recovery.state is DeviceState.LOST else self._clock()
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
        with self._wakeup:
            for lane in self.lanes:
                lane.fail_expired(self._clock())
            for lane in self._turns.order():
                if items := lane.take(self._clock()):
                    self._turns.took(lane)
                    self._running = items
                    return lane, items
        return None, ()
