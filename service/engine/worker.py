"""One thread per device that runs the engine's stages in batches."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from service.engine.collation import Waiting, collate
from service.errors import DeadlineExceededError, InferenceError, NotReadyError

_log = logging.getLogger(__name__)

Payload = TypeVar("Payload")
Result = TypeVar("Result")


class Job(NamedTuple, Generic[Payload, Result]):
    """A payload in a lane and the future its submitter waits on."""

    payload: Payload
    waiting: Waiting
    future: Future[Result]


@dataclass
class Lane(Generic[Payload, Result]):
    """A stage with its own queue.

    Args:
        name: for the log.
        run: payloads to results, as many and in the same order; called on the worker's thread.
        max_weight: what one batch may weigh.
        max_wait_s: how long a job may wait for others to join it.
        weigh: the weight of a payload.
    """

    name: str
    run: Callable[[Sequence[Payload]], Sequence[Result]]
    max_weight: int
    max_wait_s: float = 0.0
    weigh: Callable[[Payload], int] = lambda _: 1
    queue: list[Job[Payload, Result]] = field(default_factory=list)

    def answer(self, jobs: Sequence[Job[Payload, Result]]) -> None:
        """Run jobs together and settle every future; when the batch fails, each job alone."""
        try:
            results = self._run_checked(jobs)
        except Exception as exc:  # noqa: BLE001 - whatever a batch raises, the worker must survive
            self._answer_failed_batch(jobs, exc)
            return
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)

    def _run_checked(self, jobs: Sequence[Job[Payload, Result]]) -> Sequence[Result]:
        results = self.run([job.payload for job in jobs])
        if len(results) != len(jobs):
            raise RuntimeError(f"{len(results)} results for {len(jobs)} jobs")
        return results

    def _answer_failed_batch(self, jobs: Sequence[Job[Payload, Result]], cause: Exception) -> None:
        _log.error("batch failed", exc_info=cause, extra={"lane": self.name, "jobs": len(jobs)})
        if len(jobs) > 1:
            for job in jobs:
                self.answer([job])
            return
        error = InferenceError()
        error.__cause__ = cause
        jobs[0].future.set_exception(error)


class Worker:
    """Runs the lanes of one device on one thread; the last lane that has work goes first.

    Lanes are given in the order work passes through them, so what has come furthest is finished
    before new work begins, and memory held between stages stays small.
    """

    def __init__(
        self, lanes: Sequence[Lane[Any, Any]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lanes = tuple(reversed(lanes))
        self._clock = clock
        self._wakeup = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="engine-worker", daemon=True)

    @property
    def alive(self) -> bool:
        """The thread runs and takes work."""
        return self._thread.is_alive() and not self._stopping

    def start(self) -> None:
        """Begin to serve; once."""
        self._thread.start()

    def stop(self) -> None:
        """Let the batch that runs finish, fail what still waits, and join the thread."""
        with self._wakeup:
            self._stopping = True
            abandoned = [job for lane in self._lanes for job in lane.queue]
            for lane in self._lanes:
                lane.queue.clear()
            self._wakeup.notify()
        for job in abandoned:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(NotReadyError("the service is stopping"))
        if self._thread.is_alive():
            self._thread.join()

    def submit(
        self, lane: Lane[Payload, Result], payloads: Sequence[Payload], *, deadline: float
    ) -> list[Future[Result]]:
        """Queue payloads at once, so that they may share a batch; `deadline` on the clock.

        Raises:
            NotReadyError: the worker does not run.
        """
        now = self._clock()
        jobs = [
            Job(payload, Waiting(now, deadline, lane.weigh(payload)), Future[Result]())
            for payload in payloads
        ]
        with self._wakeup:
            if not self.alive:
                raise NotReadyError
            lane.queue.extend(jobs)
            self._wakeup.notify()
        return [job.future for job in jobs]

    def _loop(self) -> None:
        while (work := self._next_batch()) is not None:
            lane, jobs = work
            lane.answer(jobs)

    def _next_batch(self) -> tuple[Lane[Any, Any], list[Job[Any, Any]]] | None:
        """Wait for a batch of any lane; None once stopping."""
        with self._wakeup:
            while not self._stopping:
                wake_at = []
                for lane in self._lanes:
                    jobs, due_at = self._take(lane)
                    if jobs:
                        return lane, jobs
                    if due_at is not None:
                        wake_at.append(due_at)
                self._wakeup.wait(max(0.0, min(wake_at) - self._clock()) if wake_at else None)
        return None

    def _take(self, lane: Lane[Any, Any]) -> tuple[list[Job[Any, Any]], float | None]:
        """Remove what is due or too late from a lane; answer what is too late."""
        collation = collate(
            [job.waiting for job in lane.queue],
            now=self._clock(),
            max_weight=lane.max_weight,
            max_wait_s=lane.max_wait_s,
        )
        expired = [lane.queue[i] for i in collation.expired]
        batch = [lane.queue[i] for i in collation.batch]
        gone = {*collation.expired, *collation.batch}
        lane.queue[:] = [job for i, job in enumerate(lane.queue) if i not in gone]
        for job in expired:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(
                    DeadlineExceededError("the engine did not come to it in time")
                )
        # A submitter that gave up has cancelled its future; nobody waits for that result.
        return [j for j in batch if j.future.set_running_or_notify_cancel()], collation.wake_at
