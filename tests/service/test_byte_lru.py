"""What is kept within a number of bytes: what is forgotten, and when."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.byte_lru import ByteLRU


def kept(cache: ByteLRU[int, str]) -> list[int]:
    """The keys that are found, of the first ten."""
    return [number for number in range(10) if cache.find(number) is not None]


def test_the_longest_unused_are_forgotten() -> None:
    cache: ByteLRU[int, str] = ByteLRU(30)
    for number in range(3):
        cache.keep(number, "value", 10)
    assert cache.find(0) == "value"
    assert cache.oldest() == (1, "value")
    cache.keep(3, "value", 10)
    assert kept(cache) == [0, 2, 3]
    cache.keep(4, "value", 20)
    assert kept(cache) == [3, 4]
    assert (len(cache), cache.nbytes) == (2, 30)


def test_what_does_not_fit_takes_the_place_of_nothing() -> None:
    cache: ByteLRU[int, str] = ByteLRU(30)
    for number in range(3):
        cache.keep(number, "value", 10)
    cache.keep(3, "large", 31)
    assert kept(cache) == [0, 1, 2]
    cache.keep(1, "large", 31)  # the earlier value of the key would be out of date
    assert (kept(cache), cache.nbytes) == ([0, 2], 20)
    cache.keep(4, "large", 30)
    assert kept(cache) == [4]


def test_a_value_that_is_replaced_counts_once() -> None:
    cache: ByteLRU[int, str] = ByteLRU(20)
    cache.keep(0, "first", 5)
    for number in range(9):
        cache.keep(1, str(number), 15)
    assert (cache.find(0), cache.find(1), cache.nbytes) == ("first", "8", 20)


def test_what_is_dropped_leaves_its_room() -> None:
    cache: ByteLRU[int, str] = ByteLRU(20)
    cache.keep(0, "kept", 10)
    for number in range(1, 9):
        cache.keep(number, "dropped", 10)
        cache.drop(number)
    cache.drop(9)  # was never there
    assert (kept(cache), cache.nbytes) == ([0], 10)
    cache.drop(0)
    assert cache.oldest() is None


def test_entries_count_too() -> None:
    cache: ByteLRU[int, bool] = ByteLRU(10 * 1024, entry_bytes=1024)
    for number in range(100):
        cache.keep(number, False, 0)
    assert [number for number in range(100) if cache.find(number) is False] == list(range(90, 100))
    cache.keep(100, True, 9 * 1024)
    assert len(cache) == 1
    cache.keep(101, True, 10 * 1024)
    assert cache.find(101) is None


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_hasty_threads")
def test_threads_lose_no_count() -> None:
    cache: ByteLRU[int, str] = ByteLRU(50)

    def work(start: int) -> None:
        for step in range(15_000):
            number = (start + step * 7) % 40
            cache.keep(number, "value", 1 + number % 3)
            cache.find((number + 1) % 40)
            cache.drop((number + 2) % 40)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    found = [number for number in range(40) if cache.find(number) is not None]
    assert cache.nbytes == sum(1 + number % 3 for number in found) <= cache.max_bytes
    assert len(cache) == len(found)
