"""Which waiting jobs run together, as a pure function of the queue and the time."""

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
    queue: Sequence[Waiting], *, now: float, max_weight: int, max_wait_s: float
) -> Collation:
    """Take jobs in order of arrival until the batch is full.

    A batch runs once it is full or its oldest job has waited `max_wait_s`. A job heavier than
    a whole batch runs alone.
    """
    expired = tuple(i for i, job in enumerate(queue) if job.deadline <= now)
    alive = [i for i, job in enumerate(queue) if job.deadline > now]
    if not alive:
        return Collation(expired, (), None)
    batch, full = _fill(queue, alive, max_weight)
    due_at = queue[alive[0]].enqueued_at + max_wait_s
    if full or now >= due_at:
        return Collation(expired, batch, None)
    return Collation(expired, (), due_at)


def _fill(
    queue: Sequence[Waiting], alive: Sequence[int], max_weight: int
) -> tuple[tuple[int, ...], bool]:
    """The longest prefix of `alive` within the weight, and whether nothing more could join it."""
    total = 0
    for taken, position in enumerate(alive):
        total += queue[position].weight
        if total > max_weight:
            return tuple(alive[: max(1, taken)]), True
    return tuple(alive), total == max_weight
