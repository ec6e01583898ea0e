"""Which waiting items run together, as a pure function of the queue and the time."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Waiting(NamedTuple):
    """What collation needs of a queued item; instants in seconds of one clock."""

    enqueued_at: float
    deadline_at: float
    weight: int


class Collation(NamedTuple):
    """Positions in the queue: items past their deadline, items to run now; or when to try again."""

    expired: tuple[int, ...]
    batch: tuple[int, ...]
    wake_at: float | None


def collate(
    queue: Sequence[Waiting], *, now: float, sizes: Sequence[int], max_wait_s: float
) -> Collation:
    """Take items by their turns until the batch is full.

    A batch runs once it is full or its first item has waited `max_wait_s`. It weighs one of
    `sizes`, so that the device only ever sees shapes that it was warmed with: what is left over
    makes the next batch. Where the weights do not add up to a size, the batch is what fits into
    the largest; an item heavier than that runs alone.

    Args:
        queue: in the order of their turns.
        now: the instant.
        sizes: ascending weights of a batch.
        max_wait_s: for items that may join.
    """
    expired = tuple(i for i, item in enumerate(queue) if item.deadline_at <= now)
    alive = [i for i, item in enumerate(queue) if item.deadline_at > now]
    if not alive:
        return Collation(expired, (), None)
    weights = [queue[i].weight for i in alive]
    due_at = queue[alive[0]].enqueued_at + max_wait_s
    if sum(weights) < sizes[-1] and now < due_at:
        return Collation(expired, (), due_at)
    return Collation(expired, tuple(alive[: _fill(weights, sizes)]), None)


def _fill(weights: Sequence[int], sizes: Sequence[int]) -> int:
    """How many of the first items make the batch, at least one."""
    fitting, total, best = 0, 0, 0
    for count, weight in enumerate(weights, start=1):
        total += weight
        if total > sizes[-1]:
            break
        fitting = count
        if sizes[bisect_right(sizes, total) - 1] == total:
            best = count
    return best or fitting or 1
