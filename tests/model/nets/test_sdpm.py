"""The support-guided gate."""

import torch

from model.nets.pooling import masked_average
from model.nets.sdpm import SSEBlock, gate_factor, product_gate, reweight_prototype


def test_gate_lies_between_0_and_1_and_depends_on_the_prototype() -> None:
    torch.manual_seed(0)
    gate = SSEBlock(channels=8, ratio=4)(torch.randn(3, 8) * 5)
    assert gate.shape == (3, 8)
    assert 0 < gate.min() < gate.max() < 1
    assert not torch.allclose(gate[0], gate[1])


def test_hidden_width_is_the_channels_over_the_ratio() -> None:
    assert SSEBlock(channels=8, ratio=4).squeeze.weight.shape == (2, 8)


def test_reweighting_is_the_mean_of_gated_and_original() -> None:
    prototype, gate = torch.tensor([[2.0, 4.0]]), torch.tensor([[0.5, 0.0]])
    torch.testing.assert_close(reweight_prototype(prototype, gate), torch.tensor([[1.5, 2.0]]))


def test_reweighting_commutes_with_the_masked_average() -> None:
    torch.manual_seed(0)
    feature, mask, gate = torch.randn(2, 8, 5, 5), torch.rand(2, 1, 5, 5), torch.rand(2, 8)
    before = masked_average(feature * gate_factor(gate)[:, :, None, None], mask)
    after = reweight_prototype(masked_average(feature, mask), gate)
    torch.testing.assert_close(before, after, atol=1e-6, rtol=0)


def test_the_product_gate_stands_for_every_gate_and_their_mean() -> None:
    gates = torch.tensor([[[0.2, 1.0], [0.6, 1.0]]])  # factors 0.6 and 0.8, and 1
    feature = torch.ones(1, 2, 1, 1)
    found = (feature * gate_factor(product_gate(gates))[:, :, None, None]).flatten()
    torch.testing.assert_close(found, torch.tensor([0.6 * 0.8 * (1 + 0.7) / 2, 1.0]))
