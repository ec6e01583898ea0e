"""Networks that lack SAAM, SDPM or the prior."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.build import PRESETS, CheckpointError, build_network, load_network, network_state
from model.nets import SDAANet
from model.nets.backbones import BackboneFeatures

SIDE = 65
ON_OFF = [(saam, sdpm, prior) for saam in (0, 1) for sdpm in (0, 1) for prior in (0, 1)]


def _network(*, saam: bool = True, sdpm: bool = True, prior: bool = True) -> SDAANet:
    torch.manual_seed(0)
    config = replace(PRESETS["lite"]().at_side(SIDE), use_saam=saam, use_sdpm=sdpm, use_prior=prior)
    return build_network(config).eval()


@pytest.mark.parametrize(("saam", "sdpm", "prior"), ON_OFF)
def test_a_part_that_is_off_is_not_there(saam: int, sdpm: int, prior: int) -> None:
    network = _network(saam=bool(saam), sdpm=bool(sdpm), prior=bool(prior))
    image, mask = torch.randn(2, 3, SIDE, SIDE), torch.ones(2, SIDE, SIDE)
    with torch.inference_mode():
        encoded = network.encode(image, mask)
        shots = network.prototype(encoded.support_feature, encoded.high_feature, mask)
        vectors, tokens = shots[:3], shots[3:]
        matched = network.match(
            encoded, torch.arange(2), *vectors, *(part.unsqueeze(1) for part in tokens)
        )
    assert matched.logits.shape == (2, 2, 5, 5)
    assert (matched.attention is not None) == bool(saam)
    assert (matched.prior is not None) == bool(prior)
    assert encoded.high_feature.shape[1] == 320 * prior
    assert shots.tokens.shape[1] == shots.foreground.shape[1] == 25 * prior
    assert shots.gate.shape == (2, 128 * sdpm)
    assert torch.equal(shots.guided, shots.affinity) != bool(sdpm)
    assert network.get_parameter("decoder.enter.0.conv.weight").shape[1] == 256 + saam + prior
    names = {name.split(".")[0] for name, _ in network.named_parameters()}
    assert ("saam" in names, "sse" in names) == (bool(saam), bool(sdpm))


@pytest.mark.parametrize(("saam", "sdpm", "prior"), ON_OFF)
def test_the_losses_get_nothing_of_a_part_that_is_off(saam: int, sdpm: int, prior: int) -> None:
    network = _network(saam=bool(saam), sdpm=bool(sdpm), prior=bool(prior)).train_mode()
    features = network.backbone.features(torch.randn(4, 3, SIDE, SIDE))
    queries = BackboneFeatures(*(feature[:2] for feature in features))
    output = network.forward_training(queries, features, torch.ones(2, 2, SIDE, SIDE))
    assert output.logits.shape == (2, 2, 5, 5)
    assert (output.support_logits is not None) == bool(saam)
    assert (output.guided_shots is not None) == bool(sdpm)
    assert output.float()._fields == output._fields


def test_without_the_prior_the_high_level_feature_is_not_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = _network(prior=False)
    monkeypatch.setattr(network.backbone, "high", None)
    with torch.inference_mode():
        network(torch.randn(1, 3, SIDE, SIDE), torch.randn(1, 2, 3, SIDE, SIDE),
                torch.ones(1, 2, SIDE, SIDE))  # fmt: skip


def test_maps_lie_between_0_and_1() -> None:
    network = _network()
    image, mask = torch.randn(1, 3, SIDE, SIDE), torch.ones(1, SIDE, SIDE)
    with torch.inference_mode():
        encoded = network.encode(image, mask)
        shots = network.prototype(encoded.support_feature, encoded.high_feature, mask)
        matched = network.match(
            encoded, torch.arange(1), *shots[:3], *(part.unsqueeze(1) for part in shots[3:])
        )
    for part in (matched.attention, matched.prior):
        assert part is not None
        assert part.shape == (1, 1, 5, 5)
        assert 0 <= part.min() < part.max() <= 1


def test_a_checkpoint_has_what_it_is_older_than_from_its_preset(tmp_path: Path) -> None:
    config = PRESETS["lite"]().at_side(SIDE)
    state = network_state(_network(), config)
    for newer in ("use_saam", "use_sdpm", "use_prior", "max_shot_bytes"):
        del state["config"][newer]
    torch.save(state, tmp_path / "old.pt")
    network, loaded = load_network(tmp_path / "old.pt")
    assert loaded == config
    assert network.saam is not None
    assert network.sse is not None
    assert network.use_prior


def test_a_checkpoint_with_a_number_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    state = network_state(_network(), PRESETS["lite"]().at_side(SIDE))
    state["config"]["heads"] = 8
    torch.save(state, tmp_path / "newer.pt")
    with pytest.raises(CheckpointError, match="another release"):
        load_network(tmp_path / "newer.pt")


def test_a_checkpoint_remembers_what_is_off(tmp_path: Path) -> None:
    config = replace(PRESETS["lite"]().at_side(SIDE), use_saam=False)
    torch.save(network_state(build_network(config), config), tmp_path / "bare.pt")
    network, loaded = load_network(tmp_path / "bare.pt")
    assert loaded == config
    assert network.saam is None
