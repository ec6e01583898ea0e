"""The worker answers every job, whatever happens to a batch."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait

import pytest

from service.engine.worker import Lane, Worker
from service.errors import DeadlineExceededError, InferenceError, NotReadyError

LATER = 1e9
TIMEOUT_S = 20


class Gate:
    """A stage that doubles numbers, records its batches, and can be held at the start of one."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.entered.set()
        assert self.open.wait(TIMEOUT_S)
        if 13 in numbers:
            raise ValueError("unlucky")
        return [2 * number for number in numbers]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def lane(gate: Gate) -> Lane[int, int]:
    return Lane("double", gate, max_weight=4)


@pytest.fixture
def clock() -> list[float]:
    """The current time as the only element."""
    return [0.0]


@pytest.fixture
def worker(lane: Lane[int, int], gate: Gate, clock: list[float]) -> Iterator[Worker]:
    worker = Worker([lane], clock=lambda: clock[0])
    worker.start()
    yield worker
    gate.open.set()
    worker.stop()


@pytest.fixture
def hold(worker: Worker, lane: Lane[int, int], gate: Gate) -> Callable[[], Future[int]]:
    """Keeps the worker busy with the job 0 until the gate is opened; gives that job's future."""

    def block() -> Future[int]:
        gate.open.clear()
        gate.entered.clear()
        (future,) = worker.submit(lane, [0], deadline=LATER)
        assert gate.entered.wait(TIMEOUT_S)
        return future

    return block


def test_results_come_in_the_order_of_the_payloads(worker: Worker, lane: Lane[int, int]) -> None:
    futures = worker.submit(lane, [1, 2, 3, 4, 5], deadline=LATER)
    assert [future.result(TIMEOUT_S) for future in futures] == [2, 4, 6, 8, 10]


def test_jobs_of_several_submitters_share_a_batch(
    worker: Worker, lane: Lane[int, int], gate: Gate, hold: Callable[[], Future[int]]
) -> None:
    hold()
    futures = [worker.submit(lane, [number], deadline=LATER)[0] for number in (1, 2, 3)]
    gate.open.set()
    assert [future.result(TIMEOUT_S) for future in futures] == [2, 4, 6]
    assert gate.batches == [[0], [1, 2, 3]]


def test_bad_job_fails_alone_and_the_worker_survives(
    worker: Worker, lane: Lane[int, int], gate: Gate
) -> None:
    futures = worker.submit(lane, [1, 13, 3], deadline=LATER)
    wait(futures, TIMEOUT_S)
    assert [futures[0].result(), futures[2].result()] == [2, 6]
    error = futures[1].exception()
    assert isinstance(error, InferenceError)
    assert "unlucky" not in error.detail
    assert isinstance(error.__cause__, ValueError)
    assert worker.submit(lane, [4], deadline=LATER)[0].result(TIMEOUT_S) == 8
    assert worker.alive


@pytest.mark.parametrize("results", [[], [1], [1, 2, 3]])
def test_wrong_number_of_results_is_a_failure(results: list[int]) -> None:
    lane: Lane[int, int] = Lane("wrong", lambda _: results, max_weight=4)
    worker = Worker([lane])
    worker.start()
    futures = worker.submit(lane, [1, 2], deadline=LATER)
    wait(futures, TIMEOUT_S)
    worker.stop()
    # Alone, each job gets one result only where the stage gives one.
    failed = [isinstance(future.exception(), InferenceError) for future in futures]
    assert failed == [len(results) != 1] * 2


def test_job_past_its_deadline_is_never_run(
    worker: Worker,
    lane: Lane[int, int],
    gate: Gate,
    clock: list[float],
    hold: Callable[[], Future[int]],
) -> None:
    running = hold()
    (late,) = worker.submit(lane, [1], deadline=5.0)
    (patient,) = worker.submit(lane, [2], deadline=50.0)
    clock[0] = 10.0
    gate.open.set()
    assert isinstance(late.exception(TIMEOUT_S), DeadlineExceededError)
    assert (running.result(TIMEOUT_S), patient.result(TIMEOUT_S)) == (0, 4)
    assert gate.batches == [[0], [2]]


def test_withdrawn_job_is_never_run(
    worker: Worker, lane: Lane[int, int], gate: Gate, hold: Callable[[], Future[int]]
) -> None:
    hold()
    withdrawn, kept = worker.submit(lane, [1, 2], deadline=LATER)
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

    first = Lane("first", recording("first"), max_weight=1)
    last = Lane("last", recording("last"), max_weight=1)
    blocker = Lane("blocker", gate, max_weight=1)
    worker = Worker([first, blocker, last])
    worker.start()
    gate.open.clear()
    worker.submit(blocker, [0], deadline=LATER)
    assert gate.entered.wait(TIMEOUT_S)
    futures = worker.submit(first, [1, 2], deadline=LATER)
    futures += worker.submit(last, [3], deadline=LATER)
    gate.open.set()
    wait(futures, TIMEOUT_S)
    worker.stop()
    assert order == ["last", "first", "first"]


def test_stop_answers_what_waits_and_refuses_more(
    worker: Worker, lane: Lane[int, int], gate: Gate, hold: Callable[[], Future[int]]
) -> None:
    running = hold()
    (waiting,) = worker.submit(lane, [1], deadline=LATER)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    assert isinstance(waiting.exception(TIMEOUT_S), NotReadyError)
    with pytest.raises(NotReadyError):
        worker.submit(lane, [2], deadline=LATER)
    gate.open.set()
    stopper.join(TIMEOUT_S)
    assert running.result(0) == 0
    assert not worker.alive


def test_weight_bounds_a_batch(gate: Gate) -> None:
    lane = Lane("weighed", gate, max_weight=4, weigh=lambda number: number)
    worker = Worker([lane])
    worker.start()
    gate.open.clear()
    futures = worker.submit(lane, [1], deadline=LATER)
    assert gate.entered.wait(TIMEOUT_S)
    futures += worker.submit(lane, [2, 2, 3, 9, 1], deadline=LATER)
    gate.open.set()
    wait(futures, TIMEOUT_S)
    worker.stop()
    assert gate.batches == [[1], [2, 2], [3], [9], [1]]
