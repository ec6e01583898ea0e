"""Batches read ahead keep their order, and their failures reach whoever asks."""

import threading
import time

import pytest

from model.training.prefetch import Prefetcher


def _nothing() -> None:
    pass


def test_items_come_in_order_however_long_each_takes() -> None:
    def load(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number

    with Prefetcher(load, first=7, ahead=4, workers=3, enter_thread=_nothing) as items:
        assert [next(items) for _ in range(12)] == list(range(7, 19))


def test_no_more_are_loaded_than_asked_for_and_ahead() -> None:
    loaded: list[int] = []
    three_ahead = threading.Event()

    def load(number: int) -> None:
        loaded.append(number)
        if number == 3:
            three_ahead.set()

    with Prefetcher(load, first=0, ahead=3, workers=1, enter_thread=_nothing) as items:
        next(items)
        assert three_ahead.wait(timeout=30)
        time.sleep(0.05)  # and no more come
        assert loaded == [0, 1, 2, 3]


def test_a_failure_is_raised_where_its_item_is_asked_for() -> None:
    def load(number: int) -> int:
        if number == 1:
            raise ValueError("image 1 is damaged")
        return number

    with Prefetcher(load, first=0, ahead=2, workers=2, enter_thread=_nothing) as items:
        assert next(items) == 0
        with pytest.raises(ValueError, match="image 1 is damaged"):
            next(items)


def test_its_threads_are_entered_and_end_with_it() -> None:
    entered: list[str] = []
    before = threading.active_count()

    def enter() -> None:
        entered.append(threading.current_thread().name)

    with Prefetcher(abs, first=0, ahead=2, workers=2, enter_thread=enter) as items:
        next(items)
    assert entered
    assert all(name.startswith("batches") for name in entered)
    assert threading.active_count() == before
