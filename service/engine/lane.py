"""A stage of the engine with a queue of its own, and what waits in it."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.engine.collation import Collation, Waiting, collate
from service.errors import DeadlineExceededError, InferenceError, ServiceError

_log = logging.getLogger(__name__)

Payload = TypeVar("Payload")
Result = TypeVar("Result")


@dataclass(slots=True)
class Job(Generic[Payload, Result]):
    """A payload in a lane, and the future its submitter waits on.

    `taken_at` and `done_at` are instants of the worker's clock, once it came to them; `share` is
    that of the job in its batch, by weight.
    """

    payload: Payload
    waiting: Waiting
    future: Future[Result] = field(default_factory=Future)
    taken_at: float = 0.0
    done_at: float = 0.0
    share: float = 1.0

    @property
    def cost_s(self) -> float:
        """Seconds of the device that were spent on this job alone."""
        return (self.done_at - self.taken_at) * self.share

    def fail(self, error: ServiceError) -> None:
        """Settle a job that waits, unless its submitter has gone."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


@dataclass
class Lane(Generic[Payload, Result]):
    """A stage with its own queue.

    Args:
        name: for logs and metrics.
        run: payloads to results, as many and in the same order; called on the worker's thread.
        sizes: what a batch may weigh, ascending.
        rank: lanes of a higher rank go first; those of one rank take turns.
        max_wait_s: how long a job may wait for others to join it.
        weigh: the weight of a payload.
    """

    name: str
    run: Callable[[Sequence[Payload]], Sequence[Result]]
    sizes: Sequence[int]
    rank: int = 0
    max_wait_s: float = 0.0
    weigh: Callable[[Payload], int] = lambda _: 1
    queue: list[Job[Payload, Result]] = field(default_factory=list)

    def depth(self) -> int:
        """Jobs that wait."""
        return len(self.queue)

    def due_at(self, now: float) -> float | None:
        """When there will be something to take, as it stands: `now`, or later; None: nothing is.

        Drops what nobody waits for any more.
        """
        found = self._collate(now)
        return now if found.batch or found.expired else found.wake_at

    def take(self, now: float) -> list[Job[Payload, Result]]:
        """The jobs to run together now; answers what is too late, drops what nobody waits for."""
        found = self._collate(now)
        batch = [self.queue[i] for i in found.batch]
        late = [self.queue[i] for i in found.expired]
        gone = {*found.expired, *found.batch}
        self.queue = [job for i, job in enumerate(self.queue) if i not in gone]
        for job in late:
            job.fail(DeadlineExceededError("the engine did not come to it in time"))
        taken = [job for job in batch if job.future.set_running_or_notify_cancel()]
        weight = sum(job.waiting.weight for job in taken)
        for job in taken:
            job.taken_at, job.share = now, job.waiting.weight / weight
        return taken

    def give_up(self, now: float) -> list[Job[Payload, Result]]:
        """The jobs whose deadline has passed, which no longer wait here; not answered yet."""
        late = [job for job in self.queue if job.waiting.deadline <= now]
        self.queue = [job for job in self.queue if job.waiting.deadline > now]
        return late

    def answer(
        self, jobs: Sequence[Job[Payload, Result]], clock: Callable[[], float]
    ) -> Exception | None:
        """Run jobs together and settle every future; when the batch fails, each job alone.

        Returns:
            Why the last job failed that had to; none when all have a result.
        """
        try:
            results = self._run_checked(jobs)
        except Exception as exc:  # noqa: BLE001 - whatever a batch raises, every job is answered
            return self._answer_failed(jobs, exc, clock)
        for job, result in zip(jobs, results, strict=True):
            job.done_at = clock()
            job.future.set_result(result)
        return None

    def _collate(self, now: float) -> Collation:
        """What to do with the queue, once what nobody waits for any more is dropped from it."""
        self.queue = [job for job in self.queue if not job.future.cancelled()]
        waiting = [job.waiting for job in self.queue]
        return collate(waiting, now=now, sizes=self.sizes, max_wait_s=self.max_wait_s)

    def _run_checked(self, jobs: Sequence[Job[Payload, Result]]) -> Sequence[Result]:
        results = self.run([job.payload for job in jobs])
        if len(results) != len(jobs):
            raise RuntimeError(f"{len(results)} results for {len(jobs)} jobs")
        return results

    def _answer_failed(
        self, jobs: Sequence[Job[Payload, Result]], cause: Exception, clock: Callable[[], float]
    ) -> Exception | None:
        _log.error("batch failed", exc_info=cause, extra={"lane": self.name, "jobs": len(jobs)})
        if len(jobs) > 1:
            failures = [self.answer([job], clock) for job in jobs]
            return next((failure for failure in reversed(failures) if failure), None)
        error = InferenceError()
        error.__cause__ = cause
        jobs[0].future.set_exception(error)
        return cause
