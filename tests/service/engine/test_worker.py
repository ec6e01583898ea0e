"""The worker answers every item, whatever happens to a batch."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait

import pytest

from service.engine.collation import Waiting
from service.engine.fair_lock import FairLock
from service.engine.lane import Lane, WorkItem
from service.engine.worker import Worker
from service.errors import (
    DeadlineExceededError,
    InferenceError,
    NotReadyError,
    WorkerLostError,
)
from tests.service.until import TIMEOUT_S, until

LATER = 1e9


class Gate:
    """A stage that doubles numbers, records its batches, and can be held at the start of one."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[threading.Thread] = set()
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.threads.add(threading.current_thread())
        self.entered.set()
        assert self.open.wait(TIMEOUT_S)
        if 13 in numbers:
            raise ValueError("unlucky")
        if 666 in numbers:
            raise SystemExit
        return [2 * number for number in numbers]


def submit(
    worker: Worker, lane: Lane[int, int], payloads: Sequence[int], *, deadline_at: float
) -> list[Future[int]]:
    """The futures of items in a lane."""
    return [item.future for item in worker.submit(lane, payloads, deadline_at=deadline_at)]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def lane(gate: Gate) -> Lane[int, int]:
    return Lane("double", gate, sizes=(1, 2, 3, 4))


@pytest.fixture
def clock() -> list[float]:
    """The current time as the only element."""
    return [0.0]


@pytest.fixture
def revivals() -> list[float]:
    """When the worker's device was loaded anew."""
    return []


@pytest.fixture
def worker(
    lane: Lane[int, int], gate: Gate, clock: list[float], revivals: list[float]
) -> Iterator[Worker]:
    worker = Worker("cpu", [lane], clock=lambda: clock[0], revive=lambda: revivals.append(clock[0]))
    worker.start()
    yield worker
    gate.open.set()
    worker.stop()


@pytest.fixture
def hold(worker: Worker, lane: Lane[int, int], gate: Gate) -> Callable[[], Future[int]]:
    """Keeps the worker busy with the item 0 until the gate is opened; gives that item's future."""

    def block() -> Future[int]:
        gate.open.clear()
        gate.entered.clear()
        (future,) = submit(worker, lane, [0], deadline_at=LATER)
        assert gate.entered.wait(TIMEOUT_S)
        return future

    return block


def test_results_come_in_the_order_of_the_payloads(worker: Worker, lane: Lane[int, int]) -> None:
    futures = submit(worker, lane, [1, 2, 3, 4, 5], deadline_at=LATER)
    assert [future.result(TIMEOUT_S) for future in futures] == [2, 4, 6, 8, 10]


def test_items_of_several_submitters_share_a_batch(
    worker: Worker, lane: Lane[int, int], gate: Gate, hold: Callable[[], Future[int]]
) -> None:
    hold()
    futures = [submit(worker, lane, [number], deadline_at=LATER)[0] for number in (1, 2, 3)]
    gate.open.set()
    assert [future.result(TIMEOUT_S) for future in futures] == [2, 4, 6]
    assert gate.batches == [[0], [1, 2, 3]]


def test_a_bad_item_fails_alone_and_the_worker_survives(
    worker: Worker, lane: Lane[int, int], gate: Gate
) -> None:
    futures = submit(worker, lane, [1, 13, 3], deadline_at=LATER)
    wait(futures, TIMEOUT_S)
    assert [futures[0].result(), futures[2].result()] == [2, 6]
    error = futures[1].exception()
    assert isinstance(error, InferenceError)
    assert "unlucky" not in error.detail
    assert isinstance(error.__cause__, ValueError)
    assert submit(worker, lane, [4], deadline_at=LATER)[0].result(TIMEOUT_S) == 8
    assert worker.alive


@pytest.mark.parametrize("results", [[], [1], [1, 2, 3]])
def test_wrong_number_of_results_is_a_failure(results: list[int]) -> None:
    lane: Lane[int, int] = Lane("wrong", lambda _: results, sizes=(1, 2, 3, 4))
    worker = Worker("cpu", [lane])
    worker.start()
    futures = submit(worker, lane, [1, 2], deadline_at=LATER)
    wait(futures, TIMEOUT_S)
    worker.stop()
    # Alone, each item gets one result only where the stage gives one.
    failed = [isinstance(future.exception(), InferenceError) for future in futures]
    assert failed == [len(results) != 1] * 2


def test_an_item_past_its_deadline_is_never_run(
    worker: Worker,
    lane: Lane[int, int],
    gate: Gate,
    clock: list[float],
    hold: Callable[[], Future[int]],
) -> None:
    running = hold()
    (late,) = submit(worker, lane, [1], deadline_at=5.0)
    (patient,) = submit(worker, lane, [2], deadline_at=50.0)
    clock[0] = 10.0
    gate.open.set()
    assert isinstance(late.exception(TIMEOUT_S), DeadlineExceededError)
    assert (running.result(TIMEOUT_S), patient.result(TIMEOUT_S)) == (0, 4)
    assert gate.batches == [[0], [2]]


def test_a_cancelled_item_is_never_run(
    worker: Worker, lane: Lane[int, int], gate: Gate, hold: Callable[[], Future[int]]
) -> None:
    hold()
    withdrawn, kept = submit(worker, lane, [1, 2], deadline_at=LATER)
    assert withdrawn.cancel()
    gate.open.set()
    assert kept.result(TIMEOUT_S) == 4
    assert gate.batches == [[0], [2]]


def test_later_stages_go_first(gate: Gate) -> None:
    order: list[str] = []

    def recording(name: str) -> Callable[[Sequence[int]], list[int]]:
        def run(numbers: Sequence[int]) -> list[int]:
            order.append(name)
            return list(numbers)

        return run

    first = Lane("first", recording("first"), sizes=(1,))
    last = Lane("last", recording("last"), sizes=(1,), rank=1)
    blocker = Lane("blocker", gate, sizes=(1,), rank=1)
    worker = Worker("cpu", [first, blocker, last])
    worker.start()
    gate.open.clear()
    submit(worker, blocker, [0], deadline_at=LATER)
    assert gate.entered.wait(TIMEOUT_S)
    futures = submit(worker, first, [1, 2], deadline_at=LATER)
    futures += submit(worker, last, [3], deadline_at=LATER)
    gate.open.set()
    wait(futures, TIMEOUT_S)
    worker.stop()
    assert order == ["last", "first", "first"]


def test_later_stages_do_not_starve_earlier_ones(gate: Gate) -> None:
    """Cached images are head items alone: these could keep every new image from its encoder."""
    order: list[str] = []

    def keep_busy(numbers: Sequence[int]) -> list[int]:
        order.append("last")
        if len(order) < 50:
            worker.submit(last, [1], deadline_at=LATER)
        return list(numbers)

    def run_first(numbers: Sequence[int]) -> list[int]:
        order.append("first")
        return list(numbers)

    first = Lane("first", run_first, sizes=(1,))
    last = Lane("last", keep_busy, sizes=(1,), rank=1)
    blocker = Lane("blocker", gate, sizes=(1,), rank=1)
    worker = Worker("cpu", [first, blocker, last])
    worker.start()
    gate.open.clear()
    submit(worker, blocker, [0], deadline_at=LATER)
    assert gate.entered.wait(TIMEOUT_S)
    futures = submit(worker, first, [1, 2], deadline_at=LATER)
    submit(worker, last, [1], deadline_at=LATER)
    gate.open.set()
    wait(futures, TIMEOUT_S)
    worker.stop()
    assert order.index("first") <= 3
    assert order[:10].count("first") == 2


def test_expired_items_of_a_stage_that_has_no_turn_fail_too(gate: Gate, clock: list[float]) -> None:
    first: Lane[int, int] = Lane("first", list, sizes=(1,))
    last = Lane("last", gate, sizes=(1,), rank=1)
    worker = Worker("cpu", [first, last], clock=lambda: clock[0])
    worker.start()
    gate.open.clear()
    submit(worker, last, [0], deadline_at=LATER)
    assert gate.entered.wait(TIMEOUT_S)
    gate.entered.clear()
    (late,) = submit(worker, first, [1], deadline_at=5.0)
    submit(worker, last, [2], deadline_at=LATER)
    clock[0] = 10.0
    gate.open.set()
    assert gate.entered.wait(TIMEOUT_S)
    assert isinstance(late.exception(TIMEOUT_S), DeadlineExceededError)
    worker.stop()


def test_a_failed_batch_holds_nothing_of_what_it_ran_on() -> None:
    """The caller keeps the error, and with it the frames: graphs would never be freed."""

    class Graphs:
        def run(self, numbers: Sequence[int]) -> list[int]:
            raise ValueError(len(numbers))

    graphs = Graphs()
    freed = weakref.ref(graphs)
    lane: Lane[int, int] = Lane("failing", graphs.run, sizes=(1, 2))
    items: list[WorkItem[int, int]] = [WorkItem(each, Waiting(0.0, LATER, 1)) for each in (1, 2)]
    failure = lane.answer(items, lambda: 0.0)
    lane.run = list
    del graphs
    gc.collect()
    assert isinstance(failure, ValueError)
    assert items[0].future.exception() is not None
    assert freed() is None


def test_stop_answers_what_waits_and_refuses_more(
    worker: Worker, lane: Lane[int, int], gate: Gate, hold: Callable[[], Future[int]]
) -> None:
    running = hold()
    (waiting,) = submit(worker, lane, [1], deadline_at=LATER)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    assert isinstance(waiting.exception(TIMEOUT_S), NotReadyError)
    with pytest.raises(NotReadyError):
        submit(worker, lane, [2], deadline_at=LATER)
    gate.open.set()
    stopper.join(TIMEOUT_S)
    assert running.result(0) == 0
    assert not worker.alive


def test_weight_bounds_a_batch(gate: Gate) -> None:
    lane = Lane("weighed", gate, sizes=(1, 2, 3, 4), weigh=lambda number: number)
    worker = Worker("cpu", [lane])
    worker.start()
    gate.open.clear()
    futures = submit(worker, lane, [1], deadline_at=LATER)
    assert gate.entered.wait(TIMEOUT_S)
    futures += submit(worker, lane, [2, 2, 3, 9, 1], deadline_at=LATER)
    gate.open.set()
    wait(futures, TIMEOUT_S)
    worker.stop()
    assert gate.batches == [[1], [2, 2], [3], [9], [1]]


def test_a_crash_fails_its_batch_at_once_and_queued_items_run_after_the_restart(
    worker: Worker,
    lane: Lane[int, int],
    gate: Gate,
    hold: Callable[[], Future[int]],
    revivals: list[float],
) -> None:
    hold()
    (doomed, beside) = submit(worker, lane, [666, 2], deadline_at=LATER)
    waiting = submit(worker, lane, [3, 4, 5], deadline_at=LATER)
    gate.open.set()
    for lost in (doomed, beside):
        assert isinstance(lost.exception(TIMEOUT_S), WorkerLostError)
    # The batch of four took two of those that waited with it into death.
    assert [future.exception(TIMEOUT_S) is None for future in waiting] == [False, False, True]
    assert waiting[2].result(TIMEOUT_S) == 10
    assert worker.alive
    assert len(revivals) == 1


def test_it_is_not_alive_until_the_device_is_back() -> None:
    attempts = 0
    failures: list[str | None] = []
    alive: list[bool] = []
    back = threading.Event()

    def revive() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 7:
            raise RuntimeError("no device")
        back.set()

    def pause(*_: object) -> None:
        failures.append(device.failure)
        alive.append(device.alive)

    lane: Lane[int, int] = Lane("double", Gate(), sizes=(1,))
    device = Worker("cuda:0", [lane], revive=revive, pause=pause)
    device.start()
    submit(device, lane, [666], deadline_at=LATER)
    (given_up,) = submit(device, lane, [4], deadline_at=LATER)
    assert isinstance(given_up.exception(TIMEOUT_S), WorkerLostError)
    back.wait(TIMEOUT_S)
    (later,) = submit(device, lane, [4], deadline_at=LATER)
    assert later.result(TIMEOUT_S) == 8
    assert failures == [None] * 4 + ["cuda:0: RuntimeError: no device"] * 2
    assert alive == [False] * 6
    assert device.failure is None
    assert device.alive
    device.stop()


def test_queued_items_fail_in_time_while_the_device_is_lost(
    clock: list[float],
) -> None:
    paused = threading.Event()

    def revive() -> None:
        raise RuntimeError("no device")

    def pause(stopping: threading.Event, _: float) -> None:
        clock[0] += 10
        paused.set()
        stopping.wait(0.01)

    lane: Lane[int, int] = Lane("double", Gate(), sizes=(1,))
    device = Worker("cuda:0", [lane], revive=revive, clock=lambda: clock[0], pause=pause)
    device.start()
    submit(device, lane, [666], deadline_at=LATER)
    soon, never = (
        submit(device, lane, [1, 2], deadline_at=15.0),
        submit(device, lane, [3], deadline_at=LATER),
    )
    assert paused.wait(TIMEOUT_S)
    for future in (*soon, *never):
        assert isinstance(future.exception(TIMEOUT_S), WorkerLostError)
    device.stop()


@pytest.mark.parametrize("weights", [[1, 31], [8, 1], [1, 1, 8]])
def test_the_cost_of_a_batch_is_shared_by_weight(gate: Gate, weights: list[int]) -> None:
    """Not by heads: a light item beside a heavy one would seem to cost as much."""
    lane = Lane("weighed", gate, sizes=range(1, 33), weigh=lambda number: number)
    lane.add(weights, 0.0, LATER)
    taken = lane.take(0.0)
    lane.answer(taken, lambda: float(sum(weights)))
    assert [item.cost_s for item in taken] == pytest.approx(weights)


def test_the_pause_between_revivals_is_bounded() -> None:
    pauses: list[float] = []
    enough = threading.Event()

    def revive() -> None:
        raise RuntimeError("no device")

    def pause(stopping: threading.Event, seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 1100:
            enough.set()
            stopping.wait(TIMEOUT_S)

    lane: Lane[int, int] = Lane("double", Gate(), sizes=(1,))
    device = Worker("cuda:0", [lane], revive=revive, pause=pause)
    device.start()
    submit(device, lane, [666], deadline_at=LATER)
    assert enough.wait(TIMEOUT_S)
    device.stop()
    assert pauses == sorted(pauses)
    assert pauses[0] == pytest.approx(0.2)
    assert pauses[-1] == 10


def test_stop_does_not_wait_for_a_hanging_batch(
    worker: Worker,
    lane: Lane[int, int],
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("service.engine.worker._LONGEST_BATCH_S", 0.1)
    gate.open.clear()
    (stuck,) = submit(worker, lane, [1], deadline_at=LATER)
    assert gate.entered.wait(TIMEOUT_S)
    worker.stop()
    with pytest.raises(NotReadyError):
        stuck.result(0)
    gate.open.set()
    (thread,) = gate.threads
    thread.join(TIMEOUT_S)
    assert not thread.is_alive()
    assert "worker died" not in caplog.text


def test_a_device_is_revived_after_repeated_failures() -> None:
    broken = True

    def mend() -> None:
        nonlocal broken
        broken = False

    def run(numbers: Sequence[int]) -> list[int]:
        if broken:
            raise RuntimeError("out of memory")
        return list(numbers)

    lane: Lane[int, int] = Lane("same", run, sizes=(1,))
    worker = Worker("cuda:0", [lane], revive=mend)
    worker.start()
    futures = submit(worker, lane, [1, 2, 3, 4], deadline_at=LATER)
    failed = [future.exception(TIMEOUT_S) for future in futures[:3]]
    assert all(isinstance(error, InferenceError) for error in failed)
    assert futures[3].result(TIMEOUT_S) == 4
    worker.stop()


def test_bad_items_among_good_ones_never_count_against_the_device(
    worker: Worker, lane: Lane[int, int], gate: Gate, revivals: list[float]
) -> None:
    for good in range(5):
        gate.entered.clear()
        gate.open.clear()
        submit(worker, lane, [0], deadline_at=LATER)
        assert gate.entered.wait(TIMEOUT_S)
        bad, beside = submit(worker, lane, [13, good], deadline_at=LATER)
        gate.open.set()
        assert isinstance(bad.exception(TIMEOUT_S), InferenceError)
        assert beside.result(TIMEOUT_S) == 2 * good
    assert gate.batches.count([13]) == 5
    assert revivals == []


@pytest.mark.parametrize("payloads", [[1, 13], [13, 1]])
def test_a_batch_of_which_an_item_works_alone_is_no_failure_of_the_device(
    gate: Gate, payloads: list[int]
) -> None:
    lane = Lane("double", gate, sizes=(1, 2))
    futures = [item.future for item in lane.add(payloads, 0.0, LATER)]
    assert lane.answer(lane.take(0.0), lambda: 0.0) is None
    failed = [isinstance(future.exception(), InferenceError) for future in futures]
    assert failed == [payload == 13 for payload in payloads]


def test_answers_that_are_not_finite_never_count_against_the_device() -> None:
    def run(_: Sequence[int]) -> list[int]:
        raise FloatingPointError("not finite")

    revived = threading.Event()
    lane: Lane[int, int] = Lane("nan", run, sizes=(1,))
    worker = Worker("cpu", [lane], revive=revived.set)
    worker.start()
    futures = submit(worker, lane, [1] * 9, deadline_at=LATER)
    wait(futures, TIMEOUT_S)
    worker.stop()
    assert not revived.is_set()


def test_lanes_of_one_rank_take_turns(gate: Gate) -> None:
    order: list[str] = []

    def recording(name: str) -> Callable[[Sequence[int]], list[int]]:
        def run(numbers: Sequence[int]) -> list[int]:
            order.append(name)
            return list(numbers)

        return run

    lanes: list[Lane[int, int]] = [
        Lane("blocker", gate, sizes=(1,), rank=1),
        Lane("query", recording("query"), sizes=(1,)),
        Lane("support", recording("support"), sizes=(1, 2)),
    ]
    worker = Worker("cpu", lanes)
    worker.start()
    gate.open.clear()
    submit(worker, lanes[0], [0], deadline_at=LATER)
    assert gate.entered.wait(TIMEOUT_S)
    futures = submit(worker, lanes[2], [1] * 6, deadline_at=LATER)
    futures += submit(worker, lanes[1], [1] * 3, deadline_at=LATER)
    gate.open.set()
    wait(futures, TIMEOUT_S)
    worker.stop()
    assert order == ["query", "support"] * 3


def test_busy_s_is_the_age_of_the_running_batch(
    worker: Worker, clock: list[float], gate: Gate, hold: Callable[[], Future[int]]
) -> None:
    assert worker.busy_s == 0
    running = hold()
    clock[0] = 130.0
    assert worker.busy_s == 130
    gate.open.set()
    assert running.result(TIMEOUT_S) == 0


def test_a_reload_of_the_device_that_hangs_counts_as_busy(clock: list[float]) -> None:
    reloading, back = threading.Event(), threading.Event()

    def revive() -> None:
        reloading.set()
        assert back.wait(TIMEOUT_S)

    lane: Lane[int, int] = Lane("double", Gate(), sizes=(1,))
    device = Worker("cuda:0", [lane], revive=revive, clock=lambda: clock[0])
    device.start()
    submit(device, lane, [666], deadline_at=LATER)
    assert reloading.wait(TIMEOUT_S)
    clock[0] = 130.0
    assert device.busy_s == 130
    back.set()
    (later,) = submit(device, lane, [4], deadline_at=LATER)
    assert later.result(TIMEOUT_S) == 8
    device.stop()


def test_workers_of_one_device_take_turns_and_never_run_at_once(gate: Gate) -> None:
    order: list[str] = []
    running = threading.Lock()
    device_lock = FairLock()

    def stage(name: str) -> Callable[[Sequence[int]], list[int]]:
        def run(numbers: Sequence[int]) -> list[int]:
            assert running.acquire(blocking=False)
            order.append(name)
            doubled = gate(numbers)
            running.release()
            return doubled

        return run

    lanes: list[Lane[int, int]] = [Lane(name, stage(name), sizes=(1,)) for name in ("many", "few")]
    many, few = (Worker("cpu", [lane], device_lock=device_lock) for lane in lanes)
    many.start()
    few.start()
    gate.open.clear()
    futures = submit(many, lanes[0], range(100, 120), deadline_at=LATER)
    assert gate.entered.wait(TIMEOUT_S)
    futures += submit(few, lanes[1], [120], deadline_at=LATER)
    until(lambda: device_lock.waiting)
    gate.open.set()
    assert [future.result(TIMEOUT_S) for future in futures] == [2 * n for n in range(100, 121)]
    many.stop()
    few.stop()
    assert order == ["many", "few"] + ["many"] * 19


def test_a_worker_that_waits_for_another_to_end_counts_as_busy(clock: list[float]) -> None:
    device_lock = FairLock()
    lane: Lane[int, int] = Lane("same", list, sizes=(1,))
    worker = Worker("cpu", [lane], device_lock=device_lock, clock=lambda: clock[0])
    worker.start()
    with device_lock.hold():
        (future,) = submit(worker, lane, [1], deadline_at=LATER)
        until(lambda: device_lock.waiting)
        clock[0] = 90.0
        assert worker.busy_s == 90.0
    assert future.result(TIMEOUT_S) == 1
    worker.stop()
    assert worker.busy_s == 0.0
