"""Which waiting jobs run together, as a pure function of the queue and the time."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Waiting(NamedTuple):
    """What collation needs of a queued job; instants in seconds of one clock."""

    enqueued_at: float
    deadline: float
    weight: int


class Collation(NamedTuple):
    """Positions in the queue: jobs too late to run, jobs to run now; else when to look again."""

    expired: tuple[int, ...]
    batch: tuple[int, ...]
    wake_at: float | None


def collate(
    queue: Sequence[Waiting], *, now: float, sizes: Sequence[int], max_wait_s: float
) -> Collation:
    """Take jobs in order of arrival until the batch is full.

    A batch runs once it is full or its oldest job has waited `max_wait_s`. It weighs one of
    `sizes`, so that the device only ever sees shapes that it was warmed with: what is left over
    makes the next batch. Where the weights do not add up to a size, the batch is what fits into
    the largest; a job heavier than that runs alone.

    Args:
        queue: in order of arrival.
        now: the instant.
        sizes: ascending weights of a batch.
        max_wait_s: for jobs that may join.
    """
    expired = tuple(i for i, job in enumerate(queue) if job.deadline <= now)
    alive = [i for i, job in enumerate(queue) if job.deadline > now]
    if not alive:
        return Collation(expired, (), None)
    weights = [queue[i].weight for i in alive]
    due_at = queue[alive[0]].enqueued_at + max_wait_s
    if sum(weights) < sizes[-1] and now < due_at:
        return Collation(expired, (), due_at)
    return Collation(expired, tuple(alive[: _fill(weights, sizes)]), None)


def _fill(weights: Sequence[int], sizes: Sequence[int]) -> int:
    """How many of the first jobs make the batch, at least one."""
    fitting, total, best = 0, 0, 0
    for count, weight in enumerate(weights, start=1):
        total += weight
        if total > sizes[-1]:
            break
        fitting = count
        if sizes[bisect_right(sizes, total) - 1] == total:
            best = count
    return best or fitting or 1
