"""A stage of the engine with a queue of its own, and what waits in it."""

import logging
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.engine.collation import Collation, Waiting, collate
from service.errors import DeadlineExceededError, InferenceError, ServiceError

_log = logging.getLogger(__name__)

Payload = TypeVar("Payload")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Turn:
    """When it is a request's turn in a lane: since it came, or since an item of it was taken."""

    since: float = 0.0


@dataclass(slots=True)
class WorkItem(Generic[Payload, Result]):
    """A payload in a lane, and the future its submitter waits on.

    `turn` is shared by the items of a request. `taken_at` and `done_at` are on the worker's clock,
    once the item is taken and done; `share` is the item's share of its batch, by weight.
    """

    payload: Payload
    waiting: Waiting
    turn: Turn = field(default_factory=Turn)
    future: Future[Result] = field(default_factory=Future)
    taken_at: float = 0.0
    done_at: float = 0.0
    share: float = 1.0

    @property
    def cost_s(self) -> float:
        """Seconds of the device that were spent on this item alone."""
        return (self.done_at - self.taken_at) * self.share

    def fail(self, error: ServiceError) -> None:
        """Fail a queued item, unless its submitter has cancelled it."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)

    def finish(self, outcome: Result | ServiceError) -> None:
        """Settle a taken item, unless its worker was stopped and has given it up meanwhile."""
        with suppress(InvalidStateError):
            if isinstance(outcome, ServiceError):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)


@dataclass
class Lane(Generic[Payload, Result]):
    """A stage with its own queue.

    Used by several threads under their worker's lock, but for `answer`, which may take long, and
    `depth`: a queue is replaced by another and never changed, so its length may be read any time.

    Args:
        name: for logs and metrics.
        run: payloads to results, as many and in the same order; called on the worker's thread.
        sizes: the allowed weights of a batch, ascending.
        rank: lanes of a higher rank go first; those of one rank take turns.
        max_wait_s: how long an item may wait for others to join it.
        weigh: the weight of a payload.
    """

    name: str
    run: Callable[[Sequence[Payload]], Sequence[Result]]
    sizes: Sequence[int]
    rank: int = 0
    max_wait_s: float = 0.0
    weigh: Callable[[Payload], int] = lambda _: 1
    _queue: list[WorkItem[Payload, Result]] = field(default_factory=list, init=False)

    def add(
        self, payloads: Sequence[Payload], now: float, deadline_at: float
    ) -> list[WorkItem[Payload, Result]]:
        """Queue the payloads of a request as work items, which share its turn."""
        turn = Turn(now)
        items: list[WorkItem[Payload, Result]] = [
            WorkItem(payload, Waiting(now, deadline_at, self.weigh(payload)), turn)
            for payload in payloads
        ]
        self._queue = _by_turns([*self._queue, *items])
        return items

    def depth(self) -> int:
        """Items that wait."""
        return len(self._queue)

    def due_at(self, now: float) -> float | None:
        """When there will be a batch to take, given this queue: `now` or later; None: queue empty.

        Drops items that were cancelled.
        """
        found = self._collate(now)
        return now if found.batch or found.expired else found.wake_at

    def take(self, now: float) -> list[WorkItem[Payload, Result]]:
        """The items to run together now; drops cancelled ones, leaves those past their deadline."""
        found = self._collate(now)
        batch = [self._queue[i] for i in found.batch]
        gone = set(found.batch)
        left = [item for i, item in enumerate(self._queue) if i not in gone]
        taken = [item for item in batch if item.future.set_running_or_notify_cancel()]
        weight = sum(item.waiting.weight for item in taken)
        for item in taken:
            item.taken_at, item.share = now, item.waiting.weight / weight
            item.turn.since = now
        self._queue = _by_turns(left)
        return taken

    def fail_expired(self, now: float) -> None:
        """Fail the items whose deadline has passed."""
        for item in self.give_up(now):
            item.fail(DeadlineExceededError("the engine did not come to it in time"))

    def give_up(self, now: float) -> list[WorkItem[Payload, Result]]:
        """Remove and return the items whose deadline has passed; the caller answers them."""
        late = [item for item in self._queue if item.waiting.deadline_at <= now]
        self._queue = [item for item in self._queue if item.waiting.deadline_at > now]
        return late

    def answer(
        self, items: Sequence[WorkItem[Payload, Result]], clock: Callable[[], float]
    ) -> Exception | None:
        """Run items together and settle every future; if the batch fails, run each item alone.

        Returns:
            A failure where no item has a result, which may be the device's fault; else None.
        """
        try:
            results = self._run_checked(items)
        except Exception as exc:  # noqa: BLE001 - whatever a batch raises, every item is answered
            return self._answer_failed(items, exc, clock)
        for item, result in zip(items, results, strict=True):
            item.done_at = clock()
            item.finish(result)
        return None

    def _collate(self, now: float) -> Collation:
        """Drop cancelled items, then decide what to do with the queue."""
        self._queue = [item for item in self._queue if not item.future.cancelled()]
        waiting = [item.waiting for item in self._queue]
        return collate(waiting, now=now, sizes=self.sizes, max_wait_s=self.max_wait_s)

    def _run_checked(self, items: Sequence[WorkItem[Payload, Result]]) -> Sequence[Result]:
        results = self.run([item.payload for item in items])
        if len(results) != len(items):
            raise RuntimeError(f"{len(results)} results for {len(items)} items")
        return results

    def _answer_failed(
        self,
        items: Sequence[WorkItem[Payload, Result]],
        cause: Exception,
        clock: Callable[[], float],
    ) -> Exception | None:
        _log.error("batch failed", exc_info=cause, extra={"lane": self.name, "items": len(items)})
        # Its frames hold the graphs that ran, which would stay on the device beside reloaded ones.
        traceback.clear_frames(cause.__traceback__)
        if len(items) > 1:
            failures = [self.answer([item], clock) for item in items]
            return failures[-1] if all(failures) else None
        error = InferenceError()
        error.__cause__ = cause
        items[0].finish(error)
        return cause


def _by_turns(items: Sequence[WorkItem[Payload, Result]]) -> list[WorkItem[Payload, Result]]:
    """The first item of each request by its turn, then the second of each, and so on.

    So a request of a single item waits for one item, and not for all, of a long request that came
    before; and none waits for requests that come after its turn began.
    """
    numbers: Counter[int] = Counter()
    rounds: dict[int, int] = {}
    for item in items:
        rounds[id(item)] = numbers[id(item.turn)]
        numbers[id(item.turn)] += 1
    return sorted(items, key=lambda item: (rounds[id(item)], item.turn.since))
