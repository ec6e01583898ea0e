"""Layout of classes for the head."""

from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pytest

from model.contract import (
    SupportPrototype,
    SupportSet,
    collate_classes,
    independent_shots,
    thin_tokens,
)


def _shot(value: float, tokens: int) -> SupportPrototype:
    vector = np.full(2, value, np.float16)
    return SupportPrototype(
        vector,
        vector + np.float16(1),
        vector / np.float16(10),
        np.full((tokens, 3), value, np.float16),
    )


def _class(*shots: SupportPrototype) -> SupportSet:
    return SupportSet(shots)


def test_vectors_are_averaged_and_tokens_padded() -> None:
    inputs = collate_classes([_class(_shot(1, 2), _shot(3, 1)), _class(_shot(5, 3))])
    assert inputs.affinity.tolist() == [[2, 2], [5, 5]]
    assert inputs.guided.tolist() == [[3, 3], [6, 6]]
    np.testing.assert_allclose(inputs.gate, [[0.2, 0.2], [0.5, 0.5]], atol=1e-4)
    assert inputs.tokens[..., 0].tolist() == [[[1, 1, 0], [3, 0, 0]], [[5, 5, 5], [0, 0, 0]]]
    assert inputs.token_valid.tolist() == [
        [[True, True, False], [True, False, False]],
        [[True, True, True], [False, False, False]],
    ]


def test_a_class_is_identified_by_its_close_up() -> None:
    whole, close_up = _class(_shot(1, 4), _shot(3, 1)), _class(_shot(5, 1), _shot(9, 2))
    inputs = collate_classes([whole, replace(whole, close_up=close_up)])
    # The mean over shots of the mean over each one's tokens, however many those are.
    assert inputs.identity.tolist() == [[2, 2, 2], [7, 7, 7]]
    assert inputs.affinity.tolist() == [[2, 2], [2, 2]]
    assert inputs.identity.dtype == np.float32


def test_gates_can_be_multiplied_as_the_authors_do() -> None:
    classes = [_class(_shot(2, 1), _shot(6, 1)), _class(_shot(2, 1))]
    inputs = collate_classes(classes, gates="product")
    factors = (1 + inputs.gate[:, 0]) / 2
    np.testing.assert_allclose(factors, [0.6 * 0.8 * (1 + 0.7) / 2, 0.6 * (1 + 0.6) / 2], atol=1e-4)
    assert inputs.affinity.tolist() == [[4, 4], [2, 2]]


def test_a_class_without_a_refit_keeps_the_networks_own_logit() -> None:
    refit = np.arange(6, dtype=np.float32)
    inputs = collate_classes([_class(_shot(1, 1)), SupportSet((_shot(1, 1),), refit)])
    assert inputs.refit.tolist() == [[1, 0, 0, 0, 0, 0], refit.tolist()]


def test_no_class_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one shot"):
        collate_classes([])


def test_a_class_without_shots_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one shot"):
        collate_classes([_class(_shot(1, 1)), _class()])


def test_more_shots_come_behind_and_a_later_refit_takes_the_place() -> None:
    first, second, third = _shot(1, 1), _shot(2, 1), _shot(3, 1)
    old, new = np.zeros(6, np.float32), np.ones(6, np.float32)
    kept = SupportSet((first,), old).extended(SupportSet((second, third)))
    assert [shot.affinity[0] for shot in kept.shots] == [1, 2, 3]
    assert kept.refit is old
    assert kept.extended(SupportSet((first,), new)).refit is new
    assert SupportSet((first,)).extended(SupportSet((second,))).refit is None


def test_a_pixel_classifier_goes_with_the_refit_that_it_corrects() -> None:
    first, second = _shot(1, 1), _shot(2, 1)
    refit, pixels = np.zeros(6, np.float32), np.ones(101, np.float32)
    both = SupportSet((first,), refit, pixel_classifier=pixels)
    assert both.extended(SupportSet((second,))).pixel_classifier is pixels
    assert SupportSet((second,)).extended(both).pixel_classifier is pixels
    assert both.extended(SupportSet((second,), refit)).pixel_classifier is None
    limited = replace(both, unfamiliar=True)
    assert limited.extended(SupportSet((second,))).unfamiliar
    assert SupportSet((second,)).extended(limited).unfamiliar
    assert not limited.extended(both).unfamiliar
    assert limited.uncorrected is limited.uncorrected
    left = (limited.uncorrected.refit, limited.uncorrected.pixel_classifier)
    assert (*left, limited.uncorrected.unfamiliar) == (None, None, False)
    assert both.nbytes == SupportSet((first,), refit).nbytes + pixels.nbytes
    # A class that gets a close-up later: its own view does not serve that.
    small = replace(SupportSet((second,), side=9), close_up=SupportSet((second,), side=3))
    close_up = replace(both, side=9).extended(small).close_up
    assert close_up is not None
    assert close_up.pixel_classifier is None


def _seen(number: int, tokens: int, side: int, refit: float | None = None) -> SupportSet:
    weights = None if refit is None else np.full(6, refit, np.float32)
    return SupportSet((_shot(number, tokens),), weights, side=side)


def test_no_class_takes_more_than_the_most_of_its_parts() -> None:
    rng = np.random.default_rng(0)
    optional: dict[str, Any] = {
        "close_up": _seen(2, 4, side=100, refit=2),
        "judgements": np.ones((1, 35), np.float32),
        "identities": np.ones((1, 3), np.float16),
    }
    for _ in range(200):
        parts = [
            replace(
                _seen(number, int(rng.integers(1, 60)), side=1000, refit=1),
                **{name: value for name, value in optional.items() if rng.random() < 0.5},
            )
            for number in range(4)
        ]
        whole = reduce(SupportSet.extended, parts)
        assert whole.nbytes <= sum(part.most_nbytes for part in parts)


def test_shots_of_one_view_stand_for_themselves_in_the_other() -> None:
    judged = np.ones((1, 35), np.float32)
    small = replace(_seen(1, 4, side=1000, refit=1), close_up=_seen(2, 4, side=100, refit=2))
    large = replace(_seen(3, 40, side=3000, refit=3), judgements=judged)
    for kept, order in ((small.extended(large), (1, 3)), (large.extended(small), (3, 1))):
        assert [shot.affinity[0] for shot in kept.shots] == list(order)
        assert [shot.affinity[0] for shot in kept.close_up_or_self.shots] == [
            2 if n == 1 else n for n in order
        ]
        assert kept.side == round((1000 * 3000) ** 0.5)
        assert kept.close_up_or_self.side == round((100 * 3000) ** 0.5)
        assert kept.close_up_or_self.refit is not None
        assert (
            kept.close_up_or_self.refit[0] == 2
        )  # a refit to whole images does not serve close-ups
        assert kept.close_up_or_self.judgements is None
        assert kept.adapted
    assert (large.extended(small).refit, small.extended(large).refit) == (small.refit, large.refit)


def test_both_views_of_shots_share_the_room_that_one_had() -> None:
    small = replace(_seen(1, 4, side=1000), close_up=_seen(2, 4, side=100))
    large = _seen(3, 400, side=3000)
    kept = large.extended(small)
    assert kept.close_up is not None
    assert kept.shots[0].nbytes + kept.close_up.shots[0].nbytes <= large.nbytes
    assert len(kept.shots[0].tokens) > 100
    assert kept.shots[1].tokens is small.shots[0].tokens


def test_portraits_tell_the_identity_and_other_shots_stand_for_themselves() -> None:
    small = replace(_seen(1, 4, side=1000), close_up=_seen(2, 4, side=100))
    assert small.identity.tolist() == [2, 2, 2]
    shown = replace(small, identities=np.array([[5, 6, 7]], np.float16))
    assert collate_classes([shown]).identity.tolist() == [[5, 6, 7]]
    assert shown.nbytes == small.nbytes + 6
    kept = small.extended(shown).extended(_seen(9, 1, side=1))
    assert kept.identities is not None
    assert kept.identities.tolist() == [[2, 2, 2], [5, 6, 7], [9, 9, 9]]
    assert small.extended(_seen(9, 1, side=1)).identities is None


def test_shots_that_show_the_same_count_as_one() -> None:
    rng = np.random.default_rng(0)
    different = rng.normal(size=(6, 40)).astype(np.float32)
    assert independent_shots(different) == 6
    stored_again = different[:1] + rng.normal(0, 0.05, (6, 40)).astype(np.float32)
    assert independent_shots(stored_again) == 1
    assert independent_shots(different[[0, 0, 0, 1, 1, 1]]) == 2
    # The mean is mostly that of the one with five shots.
    assert independent_shots(different[[0, 0, 0, 0, 0, 1]]) == pytest.approx(36 / 26)


def test_a_copy_that_comes_later_counts_no_more_than_one_that_came_at_once() -> None:
    first, other = _shot(1, 2), _shot(3, 2)
    for identities in (None, np.array([[5, 6, 7]], np.float16)):
        one = SupportSet((first,), identities=identities)
        later = one.extended(one)
        assert later.independent_shots == 1
        assert later.extended(one).independent_shots == 1
        assert later.extended(SupportSet((other,))).independent_shots == pytest.approx(9 / 5)
    assert SupportSet((first, first, other)).independent_shots == pytest.approx(9 / 5)


def test_side_is_a_mean_over_the_shots_that_have_one() -> None:
    first = _seen(1, 1, side=100)
    assert first.extended(SupportSet((_shot(2, 1),))).side == 100
    two = SupportSet((_shot(2, 1), _shot(3, 1)), side=800)
    assert first.extended(two).side == 400
    assert not first.extended(two).adapted


def test_tokens_are_thinned_evenly_to_the_bytes_of_a_shot() -> None:
    tokens = np.arange(200, dtype=np.float16).reshape(100, 2)
    kept = thin_tokens(tokens, channels=5, max_bytes=3 * 5 * 2 + 10 * 4)
    assert kept[:, 0].tolist() == [0, 22, 44, 66, 88, 110, 132, 154, 176, 198]
    assert thin_tokens(tokens, channels=5, max_bytes=3 * 5 * 2 + 100 * 4) is tokens
    assert len(thin_tokens(tokens, channels=5, max_bytes=1)) == 1
