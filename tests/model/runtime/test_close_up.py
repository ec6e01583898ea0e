"""Close-ups of small objects: in a support around its mask, in a query where it is marked."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.runtime import Window, find_close_up, find_portrait, find_windows


def _mask(height: int, width: int, *boxes: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Marks boxes of (top, left, height, width)."""
    mask = np.zeros((height, width), np.bool_)
    for top, left, tall, wide in boxes:
        mask[top : top + tall, left : left + wide] = True
    return mask


def test_close_up_shows_the_object_with_as_much_around_it() -> None:
    window = find_close_up(_mask(500, 1000, (200, 450, 80, 100)))
    assert window == Window(140, 400, 200, 200)


@pytest.mark.parametrize(
    ("box", "window"),
    [
        ((0, 990, 10, 10), Window(0, 936, 64, 64)),  # tiny, in a corner
        ((100, 100, 10, 240), Window(0, 0, 200, 480)),  # longer than half of the image is high
        ((20, 20, 160, 600), None),  # large already
    ],
)
def test_close_up_lies_in_the_image(box: tuple[int, int, int, int], window: Window | None) -> None:
    assert find_close_up(_mask(200, 1000, box)) == window


def test_close_up_is_of_the_largest_part() -> None:
    window = find_close_up(_mask(1000, 1000, (100, 100, 20, 20), (700, 700, 60, 60)))
    assert window is not None
    assert window.overlaps(Window(700, 700, 60, 60))
    assert not window.overlaps(Window(100, 100, 20, 20))


@pytest.mark.parametrize(
    ("boxes", "window"),
    [
        ([(200, 450, 80, 100)], Window(180, 440, 120, 120)),
        ([(0, 0, 20, 20), (200, 450, 80, 100)], Window(180, 440, 120, 120)),  # the largest part's
        ([(20, 20, 460, 960)], Window(0, 0, 500, 1000)),  # where it is large already
    ],
)
def test_a_portrait_is_nearly_filled_by_its_object(
    boxes: list[tuple[int, int, int, int]], window: Window
) -> None:
    assert find_portrait(_mask(500, 1000, *boxes)) == window


@pytest.mark.parametrize("shape", [(136, 40_000), (40_000, 136), (1000, 36_000), (3, 20_000)])
def test_views_of_a_long_and_narrow_image_hold_the_object(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, np.bool_)
    mask[-5:, -5:] = True
    held = [find_portrait(mask)]
    held += [window for window in [find_close_up(mask)] if window]
    for window in held:
        assert mask[window.slices].sum() == mask.sum()


def test_object_thinner_than_the_overview_is_found() -> None:
    mask = np.zeros((3000, 9000), np.bool_)
    mask[1234, 4321] = True
    window = find_close_up(mask)
    assert window is not None
    assert window.overlaps(Window(1234, 4321, 1, 1))


def test_windows_are_in_pixels_of_the_image_whatever_the_map_is() -> None:
    boxes = [(100, 200, 40, 60)]
    (fine,) = find_windows(_mask(600, 800, *boxes), 600, 800)
    assert fine == Window(75, 185, 90, 90)
    squashed = _mask(300, 200, (50, 50, 20, 15))  # the same box, at a half and at a quarter
    assert list(find_windows(squashed, 600, 800)) == [fine]


def test_parts_have_windows_of_their_own_that_show_them() -> None:
    marked = _mask(900, 900, (50, 50, 40, 40), (110, 60, 30, 30), (800, 800, 50, 50))
    windows = find_windows(marked, 900, 900)
    assert len(windows) == 3
    shown = np.zeros_like(marked)
    for window in windows:
        shown[window.slices] = True
    assert shown[marked].all()


def test_near_parts_keep_windows_of_their_own_where_one_would_show_less() -> None:
    marked = _mask(1000, 1000, (100, 100, 100, 100), (230, 230, 100, 100))
    first, second = find_windows(marked, 1000, 1000)
    assert first.overlaps(second)
    assert (first.area, second.area) == (150 * 150, 150 * 150)  # one for both would be 345 wide
    beside = _mask(1000, 1000, (100, 100, 100, 100), (100, 205, 100, 100))
    assert len(find_windows(beside, 1000, 1000)) == 2
    within = _mask(1000, 1000, (100, 100, 100, 20), (110, 130, 80, 20))
    assert [(w.height, w.width) for w in find_windows(within, 1000, 1000)] == [(150, 150)]


def test_windows_are_few_and_show_all_that_counts() -> None:
    boxes = [(top, 20, 12, 12) for top in range(20, 980, 180)]
    marked = _mask(1000, 1000, *boxes, (300, 300, 1, 1))
    windows = find_windows(marked, 1000, 1000)
    assert 1 <= len(windows) <= 4
    shown = np.zeros_like(marked)
    for window in windows:
        shown[window.slices] = True
    assert shown[_mask(1000, 1000, *boxes)].all()
    assert sum(window.area for window in windows) < marked.size / 2


@pytest.mark.parametrize(
    "boxes",
    [
        [],  # nothing marked
        [(100, 100, 700, 700)],  # large
        [
            (10, 10, 30, 30),
            (950, 950, 30, 30),
            (10, 950, 400, 30),
            (500, 500, 400, 200),
        ],
    ],
)
def test_no_windows_where_the_whole_shows_as_much(boxes: list[tuple[int, int, int, int]]) -> None:
    assert list(find_windows(_mask(1000, 1000, *boxes), 1000, 1000)) == []
