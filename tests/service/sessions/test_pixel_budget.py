"""The pixels inside the budget stay within its capacity, and everyone gets in."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.sessions import PixelBudget
from service.sessions.uploads import ImageReader
from tests.service.pictures import picture

TIMEOUT_S = 20


def test_pixels_inside_never_exceed_the_capacity() -> None:
    pixel_budget = PixelBudget(100)
    entered, leave = threading.Semaphore(0), threading.Event()

    def work() -> None:
        with pixel_budget.reservation() as reserve:
            reserve(30)
            entered.release()
            leave.wait(TIMEOUT_S)

    with ThreadPoolExecutor(8) as pool:
        working = [pool.submit(work) for _ in range(8)]
        held = [entered.acquire(timeout=TIMEOUT_S) for _ in range(3)]
        fourth = entered.acquire(timeout=0.2)
        leave.set()
        for each in working:
            each.result(TIMEOUT_S)
    assert (held, fourth) == ([True] * 3, False)


def test_large_images_leave_room_to_small_ones() -> None:
    """A second large one does not stand in their way either, while it waits."""
    pixel_budget = PixelBudget(100)
    second, second_entered = threading.Event(), threading.Event()

    def enter_large() -> None:
        with pixel_budget.reservation() as reserve:
            second.set()
            reserve(50)
            second_entered.set()

    def enter_small() -> None:
        with pixel_budget.reservation() as reserve:
            reserve(30)

    with ThreadPoolExecutor(2) as pool:
        with pixel_budget.reservation() as reserve:
            reserve(50)
            waiting = pool.submit(enter_large)
            assert second.wait(TIMEOUT_S)
            pool.submit(enter_small).result(TIMEOUT_S)
            assert not second_entered.wait(0.1)
        waiting.result(TIMEOUT_S)


def test_an_image_larger_than_the_capacity_runs_alone() -> None:
    pixel_budget = PixelBudget(100)
    entered = threading.Event()

    def enter_small() -> None:
        with pixel_budget.reservation() as reserve:
            reserve(1)
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with pixel_budget.reservation() as reserve:
            reserve(5000)
            waiting = pool.submit(enter_small)
            assert not entered.wait(0.1)
        waiting.result(TIMEOUT_S)
    assert entered.is_set()


def test_a_file_waits_by_the_pixels_its_header_announces() -> None:
    scene = picture(height=100, width=100, box=(10, 10, 50, 50))
    pixel_budget = PixelBudget(10_000)
    with ThreadPoolExecutor(1) as pool:
        with pixel_budget.reservation() as reserve:
            reserve(1)
            waiting = pool.submit(
                ImageReader(10_000, pixel_budget).support,
                scene.image_png,
                scene.mask_png,
                0,
                side=32,
            )
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        assert waiting.result(TIMEOUT_S).whole.pixels.shape == (32, 32, 3)
