"""Which of several devices a request goes to."""

import pytest

from service.engine.routing import Load, best_device


@pytest.mark.parametrize(
    ("ahead", "images", "holder_is_chosen"),
    [(0, 1, True), (3, 1, True), (5, 1, False), (5, 2, True), (9, 2, False), (1, 0, False)],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_device_that_holds_encodings_is_passed_over_only_for_a_shorter_wait(
    ahead: int, images: int, holder_is_chosen: bool, swapped: bool
) -> None:
    loads = [Load(works=True, waiting=7 + ahead, held=images), Load(True, waiting=7, held=0)]
    chosen = best_device(loads[::-1] if swapped else loads)
    assert chosen == (0 if holder_is_chosen != swapped else 1)


@pytest.mark.parametrize(
    ("loads", "chosen"),
    [
        ([Load(True, 5, 0), Load(True, 2, 0), Load(True, 3, 0)], 1),
        ([Load(True, 5, 1), Load(True, 2, 0), Load(True, 4, 2)], 2),
        ([Load(False, 0, 9), Load(True, 40, 0)], 1),
        ([Load(False, 3, 0), Load(False, 1, 0)], 1),
        ([Load(False, 3, 0)], 0),
    ],
)
def test_the_device_with_the_least_to_do_is_chosen_among_those_that_work(
    loads: list[Load], chosen: int
) -> None:
    assert best_device(loads) == chosen
