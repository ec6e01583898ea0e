"""From a file of the authors to a network of ours with its config."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from model.build.presets import NetworkConfig, build_network, r50, r101
from model.build.reference.convert import converted_state
from model.build.reference.layout import (
    ReferenceStateError,
    backbone_name,
    check_layout,
    head_shapes,
)
from model.nets import SDAANet
from model.nets.backbones import ResNetBackbone

# What the weights were trained on decides the smallest scale of the decoder, 8 or 7 cells of 60;
# the state dict does not tell.
TrainingSet = Literal["pascal", "coco"]

_PREFIX = "module."  # of torch's DataParallel
_STAGE3_BLOCKS = {6: r50, 23: r101}


def read_reference(path: Path) -> dict[str, Tensor]:
    """The state dict of a file, bare or as the entry `state_dict`, without `module.` prefixes.

    Nothing in the file is executed.

    Raises:
        ReferenceStateError: not readable, or not a state dict.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as exc:
        raise ReferenceStateError(f"there is no file {path}") from exc
    except Exception as exc:  # torch raises many kinds for a damaged file
        raise ReferenceStateError(f"{path} is not a readable file of tensors") from exc
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise ReferenceStateError(
            f"{path} holds no state dict, neither by itself nor as its entry `state_dict`"
        )
    return {name.removeprefix(_PREFIX): value for name, value in content.items()}


def reference_config(
    state: Mapping[str, Tensor], *, trained_on: TrainingSet | None = None
) -> NetworkConfig:
    """The preset that a state dict fits, in the reference arithmetic.

    Args:
        state: as `read_reference` returns it.
        trained_on: by default PASCAL for ResNet-50 and COCO for ResNet-101, as published.

    Raises:
        ReferenceStateError: no ResNet-50 or ResNet-101 behind `layer0` to `layer4`.
    """
    blocks = {found[1] for name in state if (found := re.match(r"layer3\.(\d+)\.conv1\.", name))}
    preset = _STAGE3_BLOCKS.get(len(blocks))
    reduction = state.get("down_query.0.weight")
    if preset is None or reduction is None or reduction.ndim == 0:
        raise ReferenceStateError(
            f"no state dict of SD-AANet's authors with ResNet-50 or ResNet-101: {len(blocks)} "
            "blocks in layer3 (6 or 23 expected), and "
            f"{'no' if reduction is None else 'a'} down_query.0.weight"
        )
    if trained_on is None:
        trained_on = "pascal" if preset is r50 else "coco"
    return replace(
        preset(),
        channels=len(reduction),
        arithmetic="reference",
        decoder_rounding="up" if trained_on == "pascal" else "down",
    )


def import_reference(state: Mapping[str, Tensor], config: NetworkConfig) -> SDAANet:
    """A network, in eval mode, with the weights of a state dict of theirs.

    Args:
        state: as `read_reference` returns it.
        config: as `reference_config` returns it, perhaps at another side.

    Raises:
        ReferenceStateError: names or shapes are not those of the authors' network of this config.
    """
    network = build_network(config)
    if not isinstance(network.backbone, ResNetBackbone):
        raise ReferenceStateError(f"{config.backbone} is not a backbone of the authors' ResNets")
    own = network.backbone.net.state_dict()
    expected = {backbone_name(name): tuple(tensor.shape) for name, tensor in own.items()}
    check_layout(state, expected | head_shapes(config.channels, config.gate_ratio))
    network.load_state_dict(converted_state(state, backbone_names=tuple(own)))
    return network.eval()
