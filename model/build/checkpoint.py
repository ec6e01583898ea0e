"""Checkpoints: a network's tensors with its config, read without executing anything."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from model.build.presets import PRESETS, NetworkConfig, build_network
from model.nets import SDAANet


class CheckpointError(ValueError):
    """A file is not a checkpoint of this project, or does not fit its config."""


class PresenceRecord(NamedTuple):
    """Calibration of a network's presence score, and the score from which a class is present.

    growth: by how much the logit grows with e times as many shots; it is subtracted.
    """

    centre: Tensor  # (D,)
    coefficients: Tensor  # in the order of `nets.presence.EVIDENCE`
    intercept: float
    threshold: float
    growth: float = 0.0


# Before calibration every score is one half, so every class counts as present.
UNCALIBRATED_THRESHOLD = 0.5


def network_state(network: SDAANet, config: NetworkConfig) -> dict[str, Any]:
    """The part of a checkpoint from which the network is restored."""
    return {"config": asdict(config), "network": network.state_dict()}


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write atomically: a reader finds the old file or the new one, never half of one.

    That holds after a power cut, too.
    """
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())  # before it takes the old one's place
    partial.replace(path)


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
        input_side: input side, pixels; by default the one it was trained with.

    Raises:
        CheckpointError: not a checkpoint, or one that does not fit its config.
    """
    checkpoint = read_checkpoint(path)
    try:
        config = _config(checkpoint["config"])
    except (KeyError, TypeError) as exc:
        raise CheckpointError(f"{path} holds a config of another release") from exc
    if input_side is not None:
        config = config.at_side(input_side)
    try:
        network = build_network(config)
    except ValueError as exc:  # such as an input side that its backbone cannot take
        raise CheckpointError(f"{path}: {exc}") from exc
    try:
        network.load_state_dict(checkpoint["network"])
    except RuntimeError as exc:
        raise CheckpointError(
            f"{path} does not fit its own config: is it of another release?"
        ) from exc
    load_presence(network, _presence_record(checkpoint))
    return network.eval(), config


def _config(values: Mapping[str, Any]) -> NetworkConfig:
    """A checkpoint's config; fields that an older one lacks are taken from its preset."""
    preset = PRESETS.get(values["preset"])
    own = {} if preset is None else asdict(preset())
    own |= values
    return NetworkConfig(**own | {"context_bins": tuple(own["context_bins"])})


def presence_threshold(path: Path) -> float:
    """The presence score from which a checkpoint's network counts a class as present."""
    record = _presence_record(read_checkpoint(path))
    return UNCALIBRATED_THRESHOLD if record is None else record.threshold


def presence_growth(path: Path) -> float:
    """By how much the presence logit of a checkpoint grows with e times as many shots."""
    record = _presence_record(read_checkpoint(path))
    return 0.0 if record is None else record.growth


def write_calibrated(path: Path, out: Path, record: PresenceRecord) -> None:
    """Write a copy of a checkpoint with a calibration added."""
    write_checkpoint(out, read_checkpoint(path) | {"presence": record._asdict()})


def _presence_record(checkpoint: Mapping[str, Any]) -> PresenceRecord | None:
    record = checkpoint.get("presence")
    return None if record is None else PresenceRecord(**record)


def load_presence(network: SDAANet, record: PresenceRecord | None) -> None:
    """Load a calibration into a network, in place, if there is one."""
    if record is not None and network.presence is not None:
        network.presence.centre.copy_(record.centre)
        network.presence.coefficients.copy_(record.coefficients)
        network.presence.intercept.fill_(record.intercept)
        network.presence.growth.fill_(record.growth)
