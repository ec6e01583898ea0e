"""The presence score of the network."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.nets import HighCells
from model.nets.presence import PresenceHead

DEPTH = 6


@pytest.fixture
def head() -> PresenceHead:
    head = PresenceHead(depth=DEPTH)
    head.centre.fill_(0.2)
    head.coefficients.copy_(torch.tensor([2.0, 1.0, 1.0]))
    return head


def _image(kind: int, *, cells: int = 4) -> HighCells:
    """A ground of channel 0, and in its upper half an object of another channel, (1, D, h, h)."""
    feature = torch.zeros(1, DEPTH, cells, cells)
    feature[:, 0] = 1
    feature[:, :, : cells // 2] = 0
    feature[:, kind, : cells // 2] = 1
    return HighCells.of(feature, torch.zeros(1, dtype=torch.int64))


def _marked(cells: int = 4) -> Tensor:
    logits = torch.full((1, cells, cells), -8.0)
    logits[:, : cells // 2] = 8.0
    return logits


def _identity(kind: int) -> Tensor:
    """Of a class that looks like one kind, (1, D)."""
    return F.one_hot(torch.tensor([kind]), DEPTH).float()


def test_what_is_alike_scores_above_what_is_not(head: PresenceHead) -> None:
    own = head(_image(2), _marked(), _identity(2))
    other = head(_image(3), _marked(), _identity(2))
    assert float(own) > float(other) + 0.2


def test_what_is_marked_counts_for_more_than_the_rest_of_the_image(head: PresenceHead) -> None:
    evidence = head.evidence(_image(2), _marked(), _identity(2))[0]
    turned = head.evidence(_image(2), -_marked(), _identity(2))[0]
    assert evidence[0] > 0.9 > 0 > turned[0]
    assert torch.equal(evidence[1:], turned[1:])  # of the whole image, and of its best cells


def test_logits_may_be_finer_than_the_feature(head: PresenceHead) -> None:
    coarse = head(_image(2), _marked(), _identity(2))
    fine = head(_image(2), _marked(16), _identity(2))
    assert float(fine) == pytest.approx(float(coarse), abs=0.05)


def test_before_calibration_every_score_is_one_half() -> None:
    assert float(PresenceHead(depth=DEPTH)(_image(2), _marked(), _identity(3))) == 0.5
