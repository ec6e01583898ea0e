"""Layout of classes for the head, and the resize arithmetic."""

import numpy as np
import pytest

from model.contract import (
    SupportPrototype,
    SupportSet,
    collate_classes,
    resize_mask,
    thin_tokens,
    upsample_logits,
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


def test_a_single_pixel_of_a_large_mask_survives() -> None:
    mask = np.zeros((3000, 4000), np.bool_)
    mask[1717, 2323] = True
    share = resize_mask(mask, 97)
    assert share.shape == (97, 97)
    assert 0 < share.max() <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 5), (7, 20_000)])
def test_logits_reach_extreme_sizes(height: int, width: int) -> None:
    logits = np.linspace(-1, 1, 49, dtype=np.float32).reshape(7, 7)
    full = upsample_logits(logits, height, width)
    assert full.shape == (height, width)
    assert -1 <= full.min() < full.max() <= 1


def test_more_shots_come_behind_and_a_later_refit_takes_the_place() -> None:
    first, second, third = _shot(1, 1), _shot(2, 1), _shot(3, 1)
    old, new = np.zeros(6, np.float32), np.ones(6, np.float32)
    kept = SupportSet((first,), old).extended(SupportSet((second, third)))
    assert [shot.affinity[0] for shot in kept.shots] == [1, 2, 3]
    assert kept.refit is old
    assert kept.extended(SupportSet((first,), new)).refit is new
    assert SupportSet((first,)).extended(SupportSet((second,))).refit is None


def test_tokens_are_thinned_evenly_to_the_bytes_of_a_shot() -> None:
    tokens = np.arange(200, dtype=np.float16).reshape(100, 2)
    kept = thin_tokens(tokens, channels=5, max_bytes=3 * 5 * 2 + 10 * 4)
    assert kept[:, 0].tolist() == [0, 22, 44, 66, 88, 110, 132, 154, 176, 198]
    assert thin_tokens(tokens, channels=5, max_bytes=3 * 5 * 2 + 100 * 4) is tokens
    assert len(thin_tokens(tokens, channels=5, max_bytes=1)) == 1
