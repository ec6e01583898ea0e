"""The whole network: shots, batches, frozen parts and presets."""

import inspect

import pytest
import torch
from torch import Tensor

from model.build import PRESETS, build_network
from model.build.presets import decoder_bins
from model.nets import SDAANet

SIDE = 65
# Of logits that are about ten.
TOLERANCE = 1e-4


def _episode(batch: int, shots: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(batch * 100 + shots)
    query = torch.randn(batch, 3, SIDE, SIDE, generator=generator)
    supports = torch.randn(batch, shots, 3, SIDE, SIDE, generator=generator)
    coarse = torch.rand(batch * shots, 1, 5, 5, generator=generator) > 0.5
    masks = torch.nn.functional.interpolate(coarse.float(), size=(SIDE, SIDE))
    return query, supports, masks.reshape(batch, shots, SIDE, SIDE)


@pytest.mark.parametrize("shots", [1, 3])
def test_the_same_weights_serve_any_number_of_shots(network: SDAANet, shots: int) -> None:
    query, supports, masks = _episode(1, shots)
    with torch.inference_mode():
        output = network.forward_training(
            network.backbone.features(query), network.backbone.features(supports[0]), masks
        )
        logits = network(query, supports, masks)
    assert logits.shape == (1, 2, 5, 5)
    torch.testing.assert_close(output.logits, logits, atol=TOLERANCE, rtol=0)
    assert [tuple(a.shape) for a in output.auxiliary_logits] == [
        (1, 2, side, side) for side in (5, 3, 2, 1)
    ]
    assert output.support_logits is not None
    assert output.support_logits.shape == (shots, 2, 5, 5)
    assert output.guided_shots is not None
    assert output.guided_shots.shape == (1, shots, 128)


def test_the_order_of_the_shots_leaves_no_trace(network: SDAANet) -> None:
    query, supports, masks = _episode(1, 3)
    order = [2, 0, 1]
    with torch.inference_mode():
        straight = network(query, supports, masks)
        shuffled = network(query, supports[:, order], masks[:, order])
    torch.testing.assert_close(straight, shuffled, atol=TOLERANCE, rtol=0)


def test_the_support_decides_the_answer(network: SDAANet) -> None:
    query, supports, masks = _episode(1, 1)
    with torch.inference_mode():
        straight = network(query, supports, masks)
        answers = [network(query, supports, 1 - masks), network(query, -supports, masks)]
    for answer in answers:
        assert (answer - straight).abs().max() > 100 * TOLERANCE


def test_a_batch_equals_its_items_alone(network: SDAANet) -> None:
    episode = _episode(2, 2)
    with torch.inference_mode():
        together = network(*episode)
        alone = [network(*(part[i : i + 1] for part in episode)) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone), atol=TOLERANCE, rtol=0)
    assert (together[0] - together[1]).abs().max() > 100 * TOLERANCE


def test_inference_takes_no_query_label() -> None:
    assert list(inspect.signature(SDAANet.forward).parameters) == [
        "self", "query", "supports", "masks",
    ]  # fmt: skip


def test_a_training_step_leaves_the_frozen_statistics_alone(network: SDAANet) -> None:
    network.train_mode()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    before = {name: b.clone() for name, b in network.backbone.named_buffers()}
    head = network.get_parameter("decoder.head.3.weight")
    head_before = head.detach().clone()
    network(*_episode(2, 1)).square().mean().backward()
    optimizer.step()
    assert network.decoder.training
    assert not torch.equal(head, head_before)
    assert any(name.endswith("running_mean") for name in before)
    for name, buffer in network.backbone.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_decoder_bins_must_begin_with_the_feature_side(network: SDAANet) -> None:
    with pytest.raises(ValueError, match="feature side 5"):
        SDAANet(
            backbone=network.backbone,
            input_side=SIDE,
            channels=8,
            reduction_dropout=0.1,
            head_dropout=0.1,
            gate_ratio=4,
            context_bins=(1, 2),
            decoder_bins=(6, 3),
            mask_resize="area",
            mask_side=SIDE,
            use_saam=True,
            use_sdpm=True,
            use_prior=True,
        )


@pytest.mark.parametrize(
    ("preset", "channels", "mid", "high", "side"),
    [
        ("r50", 256, 1536, 2048, 60),
        ("r101", 256, 1536, 2048, 60),
        ("vgg16", 256, 768, 512, 59),
        ("lite", 128, 416, 320, 22),
        ("base", 128, 1952, 320, 33),
    ],
)
def test_presets_have_the_numbers_of_the_paper(
    preset: str, channels: int, mid: int, high: int, side: int
) -> None:
    config = PRESETS[preset]()
    with torch.device("meta"):  # shapes without memory
        built = build_network(config)
    assert config.preset == preset
    assert built.reduce_query[0].weight.shape == (channels, mid, 1, 1)
    assert built.backbone.high_channels == high
    assert built.feature_side == side
    assert built.get_parameter("sse.squeeze.weight").shape == (channels // 4, channels)
    saam = built.get_parameter("saam.feature_conv.weight")
    assert saam.shape == (4 * channels, channels, 3, 3)
    enter = built.get_parameter("decoder.enter.0.conv.weight")
    assert enter.shape == (channels, 2 * channels + 2, 1, 1)
    assert config.context_bins == (1, 2, 3, 6)


def test_the_paper_sizes_its_decoder_60_30_15_8() -> None:
    assert decoder_bins(60) == (60, 30, 15, 8)
    with torch.device("meta"):
        built = build_network(PRESETS["r50"]())
    pools = [built.get_buffer(f"decoder.enter.{i}.pool.matrix") for i in range(4)]
    assert [len(matrix) for matrix in pools] == [60, 30, 15, 8]


def test_r50_runs() -> None:
    torch.manual_seed(0)
    built = build_network(PRESETS["r50"]().at_side(SIDE)).eval()
    with torch.inference_mode():
        logits = built(*_episode(1, 1))
    assert logits.shape == (1, 2, 9, 9)
    assert logits.isfinite().all()
