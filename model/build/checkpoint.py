"""Checkpoints: a network's tensors with its config, read without executing anything."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from model.build.presets import NetworkConfig, build_network
from model.nets import SDAANet


class CheckpointError(ValueError):
    """A file is not a checkpoint of this project, or does not fit its config."""


def network_state(network: SDAANet, config: NetworkConfig) -> dict[str, Any]:
    """The part of a checkpoint that makes the network again."""
    return {"config": asdict(config), "network": network.state_dict()}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's tensors and plain values, onto the CPU.

    Raises:
        CheckpointError: unreadable, or without config and network.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as exc:  # torch raises many kinds for a damaged file
        raise CheckpointError(f"{path} is not a readable checkpoint") from exc
    if not isinstance(checkpoint, Mapping) or not {"config", "network"} <= set(checkpoint):
        raise CheckpointError(f"{path} holds no network of this project")
    return dict(checkpoint)


def load_network(path: Path, *, input_side: int | None = None) -> tuple[SDAANet, NetworkConfig]:
    """A checkpoint's network in eval mode, and its config.

    Args:
        path: the checkpoint.
        input_side: another input side than it was trained with.
    """
    checkpoint = read_checkpoint(path)
    values = dict(checkpoint["config"])
    values["context_bins"] = tuple(values["context_bins"])
    config = NetworkConfig(**values)
    if input_side is not None:
        config = config.at_side(input_side)
    network = build_network(config)
    try:
        network.load_state_dict(checkpoint["network"])
    except RuntimeError as exc:
        raise CheckpointError(f"{path} does not fit its own config") from exc
    return network.eval(), config
