"""The prior map against a slow reference, and its padding."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model.nets import HighCells
from model.nets.prior import foreground_tokens, prior_map


def _inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Two pairs of three shots with 4, 2 and 1 tokens, 6 channels, 3x4 positions."""
    torch.manual_seed(0)
    tokens = F.normalize(torch.randn(2, 3, 4, 6), dim=-1)
    valid = (torch.arange(4) < torch.tensor([4, 2, 1])[:, None]).expand(2, 3, 4).clone()
    return torch.randn(2, 6, 3, 4), tokens, valid


def _cells(query: Tensor) -> HighCells:
    """One image for each pair, (P, D, h, w)."""
    return HighCells.of(query, torch.arange(len(query)))


def _reference(query: Tensor, tokens: Tensor, valid: Tensor) -> NDArray[np.float64]:
    height, width = query.shape[1:]
    maps = []
    for shot, real in zip(tokens.double().numpy(), valid.numpy(), strict=True):
        best = np.full((height, width), -np.inf)
        for y in range(height):
            for x in range(width):
                position = query[:, y, x].double().numpy()
                for token in shot[real]:
                    cosine = token @ position / np.linalg.norm(position)
                    best[y, x] = max(best[y, x], cosine)
        maps.append((best - best.min()) / (best.max() - best.min()))
    mean: NDArray[np.float64] = np.mean(maps, axis=0)
    return mean


def test_prior_equals_the_loops() -> None:
    query, tokens, valid = _inputs()
    prior = prior_map(_cells(query), tokens, valid)
    assert prior.shape == (2, 1, 3, 4)
    for pair in range(2):
        expected = _reference(query[pair], tokens[pair], valid[pair])
        np.testing.assert_allclose(prior[pair, 0].numpy(), expected, atol=1e-5)


def test_prior_of_one_shot_spans_0_to_1() -> None:
    query, tokens, valid = _inputs()
    prior = prior_map(_cells(query), tokens[:, :1], valid[:, :1])
    torch.testing.assert_close(prior.amin(dim=(1, 2, 3)), torch.zeros(2))
    torch.testing.assert_close(prior.amax(dim=(1, 2, 3)), torch.ones(2), atol=1e-5, rtol=0)


def test_prior_of_a_constant_query_is_0_not_nan() -> None:
    _, tokens, valid = _inputs()
    assert not prior_map(_cells(torch.ones(2, 6, 3, 4)), tokens, valid).any()


def test_padding_tokens_change_nothing() -> None:
    query, tokens, valid = _inputs()
    padded = torch.cat([tokens, torch.full((2, 3, 5, 6), 9.0)], dim=2)
    padded_valid = torch.cat([valid, torch.zeros(2, 3, 5, dtype=torch.bool)], dim=2)
    torch.testing.assert_close(
        prior_map(_cells(query), padded, padded_valid), prior_map(_cells(query), tokens, valid)
    )


def test_padded_shots_change_nothing() -> None:
    query, tokens, valid = _inputs()
    padded = torch.cat([tokens, torch.full((2, 2, 4, 6), 9.0)], dim=1)
    padded_valid = torch.cat([valid, torch.zeros(2, 2, 4, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(
        prior_map(_cells(query), padded, padded_valid), prior_map(_cells(query), tokens, valid)
    )


def test_padding_may_stand_before_tokens() -> None:
    query, tokens, valid = _inputs()
    padded = torch.cat([torch.full((2, 3, 2, 6), 9.0), tokens], dim=2)
    padded_valid = torch.cat([torch.zeros(2, 3, 2, dtype=torch.bool), valid], dim=2)
    torch.testing.assert_close(
        prior_map(_cells(query), padded, padded_valid), prior_map(_cells(query), tokens, valid)
    )


def test_pairs_take_the_cells_of_their_images() -> None:
    query, _, _ = _inputs()
    cells = HighCells.of(query, torch.tensor([1, 0, 1]))
    torch.testing.assert_close(cells.feature, query[[1, 0, 1]])
    torch.testing.assert_close(cells.length, query[[1, 0, 1]].square().sum(dim=1).sqrt())


def test_tokens_are_normalised_and_foreground_from_half_a_cell_on() -> None:
    torch.manual_seed(0)
    mask = torch.tensor([[[[0.0, 0.49], [0.5, 1.0]]]])
    tokens, foreground = foreground_tokens(torch.randn(1, 6, 2, 2), mask)
    torch.testing.assert_close(tokens.norm(dim=-1), torch.ones(1, 4))
    assert foreground.tolist() == [[False, False, True, True]]


def test_a_tiny_object_keeps_its_most_covered_cell() -> None:
    mask = torch.tensor([[[[0.0, 0.001], [0.02, 0.0]]]])
    _, foreground = foreground_tokens(torch.ones(1, 6, 2, 2), mask)
    assert foreground.tolist() == [[False, False, True, False]]


def test_an_empty_mask_has_no_foreground() -> None:
    _, foreground = foreground_tokens(torch.ones(1, 6, 2, 2), torch.zeros(1, 1, 2, 2))
    assert not foreground.any()


def test_without_a_minimum_share_every_touched_cell_counts() -> None:
    mask = torch.tensor([[[[0.0, 0.001], [0.02, 1.0]]]])
    _, foreground = foreground_tokens(torch.ones(1, 6, 2, 2), mask, min_share=0.0)
    assert foreground.tolist() == [[False, True, True, True]]


def test_autocast_costs_the_prior_no_digits() -> None:
    torch.manual_seed(0)
    query, support = (torch.randn(1, 64, 6, 6).bfloat16() + 8 for _ in range(2))
    share = torch.ones(1, 1, 6, 6)

    def prior() -> Tensor:
        tokens, foreground = foreground_tokens(support, share)
        return prior_map(_cells(query), tokens[:, None], foreground[:, None])

    with torch.autocast("cpu", torch.bfloat16):
        mixed = prior()
    query, support = query.float(), support.float()
    torch.testing.assert_close(mixed, prior())
