"""Random networks are as lively as trained ones: nothing vanishes on the way through them."""

from pathlib import Path

import pytest
import torch

from model.build import PRESETS, build_network, load_network, random_network, write_checkpoint
from model.nets import HighCells

SIDE = 97


@pytest.mark.parametrize("preset", ["lite", "base", "r50"])
def test_every_part_is_heard(preset: str) -> None:
    network, _ = random_network(PRESETS[preset]().at_side(SIDE), seed=0)
    generator = torch.Generator().manual_seed(1)
    query, one, other = torch.randn(3, 1, 3, SIDE, SIDE, generator=generator)
    mask = torch.zeros(1, SIDE, SIDE)
    mask[:, 20:60, 30:70] = 1
    with torch.inference_mode():
        encoded = network.encode(query, torch.ones_like(mask))
        shown = network.encode(one, mask)
        shot = network.prototype(shown.support_feature, shown.high_feature, mask)
        answers = [network(query, support[None], mask[None]) for support in (one, other)]
    for feature in encoded:
        assert 0.1 < feature.square().mean().sqrt() < 10
    assert shot.gate.min() < 0.3
    assert shot.gate.max() > 0.7
    logits = [answer[:, 1] - answer[:, 0] for answer in answers]
    assert logits[0].std() > 0.5
    assert (logits[0] - logits[1]).abs().max() > 0.5
    assert network.presence is not None
    high = HighCells.of(encoded.high_feature, torch.arange(1))
    identity = shot.tokens[shot.foreground].mean(dim=0, keepdim=True)
    assert 0.1 < network.presence(high, logits[0], identity) < 0.9


def test_its_checkpoint_makes_it_again_and_another_seed_another(tmp_path: Path) -> None:
    config = PRESETS["lite"]().at_side(SIDE)
    network, state = random_network(config, seed=3)
    write_checkpoint(tmp_path / "random.pt", state)
    read, _ = load_network(tmp_path / "random.pt")
    assert read.state_dict().keys() == build_network(config).state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, read.state_dict()[name]), name
    for one, two in zip(network.buffers(), read.buffers(), strict=True):  # presence is among them
        assert torch.equal(one, two)
    other, _ = random_network(config, seed=4)
    weight = "decoder.head.3.weight"
    assert not torch.equal(network.get_parameter(weight), other.get_parameter(weight))


def test_an_ablation_is_lively_too() -> None:
    from dataclasses import replace

    config = replace(
        PRESETS["lite"]().at_side(SIDE), use_saam=False, use_sdpm=False, use_prior=False
    )
    network, state = random_network(config, seed=0)
    assert network.presence is None
    assert "presence" not in state
