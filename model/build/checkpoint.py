"""Checkpoints: a network's tensors with its config, read without executing anything."""

import io
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
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

    Raises:
        OSError: it cannot be written, as on a full disk; the old file is kept.
    """
    # Into memory first: torch does not tell why a file of its own could not be written.
    content = io.BytesIO()
    torch.save(dict(state), content)
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())  # before it takes the old one's place
        partial.replace(path)
    except OSError as exc:
        partial.unlink(missing_ok=True)
        kept = f"{exc.strerror}; what was there before is kept"
        raise OSError(exc.errno, kept, str(path)) from exc


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's tensors and plain values, onto the CPU.

    Raises:
        CheckpointError: unreadable, or without config and network.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as exc:
        raise CheckpointError(f"{path} cannot be read: {exc.strerror}") from exc
    except Exception as exc:  # torch raises many kinds for a damaged file
        raise CheckpointError(f"{path} is not a readable checkpoint") from exc
    if not isinstance(checkpoint, Mapping) or not {"config", "network"} <= set(checkpoint):
        raise CheckpointError(f"{path} holds no network of this project")
    return dict(checkpoint)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, read once.

    Attributes:
        path: its file.
        state: tensors on the CPU, and plain values.
    """

    path: Path
    state: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read a file.

        Raises:
            CheckpointError: see `read_checkpoint`.
        """
        return cls(path, read_checkpoint(path))

    def network(self, *, input_side: int | None = None) -> tuple[SDAANet, NetworkConfig]:
        """The network in eval mode, made anew at each call, and its config.

        Args:
            input_side: input side, pixels; by default the one it was trained with.

        Raises:
            CheckpointError: the file does not fit its config.
        """
        try:
            config = _config(self.state["config"])
        except (KeyError, TypeError) as exc:
            raise CheckpointError(f"{self.path} holds a config of another release") from exc
        if input_side is not None:
            config = config.at_side(input_side)
        try:
            network = build_network(config)
        except ValueError as exc:  # such as an input side that its backbone cannot take
            raise CheckpointError(f"{self.path}: {exc}") from exc
        except (TypeError, RuntimeError, ArithmeticError) as exc:
            raise CheckpointError(f"{self.path} holds a config of no network") from exc
        try:
            network.load_state_dict(self.state["network"])
        except (RuntimeError, TypeError, AttributeError) as exc:
            raise CheckpointError(
                f"{self.path} does not fit its own config: is it of another release?"
            ) from exc
        record = self._presence
        try:
            load_presence(network, record)
        except CheckpointError as exc:
            raise CheckpointError(f"{self.path}: {exc}") from exc
        return network.eval(), config

    @property
    def progress(self) -> Mapping[str, Any]:
        """How its run got there; empty if there was none."""
        progress: Mapping[str, Any] = self.state.get("progress", {})
        return progress

    @cached_property
    def _presence(self) -> PresenceRecord | None:
        values = self.state.get("presence")
        try:
            return None if values is None else _presence_record(values)
        except (TypeError, ValueError, RuntimeError) as exc:
            raise CheckpointError(f"{self.path} holds a damaged presence score") from exc

    @property
    def presence_threshold(self) -> float:
        """The presence score from which the network counts a class as present.

        Raises:
            CheckpointError: the file's presence score is damaged.
        """
        return UNCALIBRATED_THRESHOLD if self._presence is None else self._presence.threshold

    @property
    def presence_growth(self) -> float:
        """By how much the network's presence logit grows with e times as many shots.

        Raises:
            CheckpointError: the file's presence score is damaged.
        """
        return 0.0 if self._presence is None else self._presence.growth

    def write_calibrated(self, out: Path, record: PresenceRecord) -> None:
        """Write a copy with a calibration added."""
        write_checkpoint(out, {**self.state, "presence": record._asdict()})


def load_network(path: Path, *, input_side: int | None = None) -> tuple[SDAANet, NetworkConfig]:
    """A checkpoint's network in eval mode, and its config, see `Checkpoint.network`.

    Raises:
        CheckpointError: not a checkpoint, or one that does not fit its config.
    """
    return Checkpoint.read(path).network(input_side=input_side)


def _config(values: Mapping[str, Any]) -> NetworkConfig:
    """A checkpoint's config; fields that an older one lacks are taken from its preset."""
    preset = PRESETS.get(values["preset"])
    own = {} if preset is None else asdict(preset())
    own |= values
    return NetworkConfig(**own | {"context_bins": tuple(own["context_bins"])})


def _presence_record(values: Mapping[str, Any]) -> PresenceRecord:
    record = PresenceRecord(**values)
    if not isinstance(record.centre, Tensor) or not isinstance(record.coefficients, Tensor):
        raise TypeError("centre and coefficients are tensors")
    return record._replace(
        intercept=float(record.intercept),
        threshold=float(record.threshold),
        growth=float(record.growth),
    )


def load_presence(network: SDAANet, record: PresenceRecord | None) -> None:
    """Load a calibration into a network, in place, if there is one.

    Raises:
        CheckpointError: it is of a network of other sizes.
    """
    head = network.presence
    if record is None or head is None:
        return
    if record.centre.shape != head.centre.shape:  # `copy_` would repeat a single value
        raise CheckpointError("the presence score is of a network with other features")
    if record.coefficients.shape != head.coefficients.shape:
        raise CheckpointError("the presence score weighs other evidence")
    head.centre.copy_(record.centre)
    head.coefficients.copy_(record.coefficients)
    head.intercept.fill_(record.intercept)
    head.growth.fill_(record.growth)
