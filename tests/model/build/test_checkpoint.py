"""Checkpoints are replaced as a whole, and damaged ones are refused."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.build import (
    PRESETS,
    Checkpoint,
    CheckpointError,
    build_network,
    network_state,
    read_checkpoint,
    write_checkpoint,
)

PRESENCE: dict[str, Any] = {
    "centre": torch.zeros(320),
    "coefficients": torch.zeros(3),
    "intercept": 0.5,
    "threshold": 0.25,
    "growth": 0.125,
}


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    state = {"config": {}, "network": {"weight": torch.ones(2)}}
    write_checkpoint(path, state)
    with pytest.raises((AttributeError, TypeError, RuntimeError), match="pickle"):
        write_checkpoint(path, state | {"generator": (number for number in range(3))})
    assert torch.equal(read_checkpoint(path)["network"]["weight"], torch.ones(2))


def test_a_full_disk_is_told_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    state = {"config": {}, "network": {"weight": torch.ones(2)}}
    write_checkpoint(path, state)
    (tmp_path / "checkpoint.pt.partial").symlink_to("/dev/full")
    problem = rf"No space left on device; what was there before is kept: '{path}'"
    with pytest.raises(OSError, match=problem):
        write_checkpoint(path, state | {"network": {"weight": torch.zeros(2)}})
    assert torch.equal(read_checkpoint(path)["network"]["weight"], torch.ones(2))
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "checkpoint.pt", {"config": {}, "network": {}})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_all_of_it_is_on_the_disk_before_it_takes_the_old_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "checkpoint.pt", list[bytes]()
    write_checkpoint(path, {"config": {}, "network": {}})
    before, sync = path.read_bytes(), os.fsync

    def watched_sync(descriptor: int) -> None:
        assert path.read_bytes() == before
        synced.append(Path(f"/proc/self/fd/{descriptor}").read_bytes())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched_sync)
    write_checkpoint(path, {"config": {}, "network": {"weight": torch.ones(2)}})
    assert synced == [path.read_bytes()]


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """A calibrated network with random weights."""
    config = PRESETS["lite"]().at_side(65)
    return {**network_state(build_network(config), config), "presence": PRESENCE}


def _reread(path: Path, state: dict[str, Any]) -> Checkpoint:
    write_checkpoint(path, state)
    return Checkpoint.read(path)


def test_a_calibration_is_read_and_loaded(tmp_path: Path, state: dict[str, Any]) -> None:
    checkpoint = _reread(tmp_path / "checkpoint.pt", state)
    assert (checkpoint.presence_threshold, checkpoint.presence_growth) == (0.25, 0.125)
    head = checkpoint.network()[0].presence
    assert head is not None
    assert (float(head.intercept), float(head.growth)) == (0.5, 0.125)


@pytest.mark.parametrize("size", [1, 64])
@pytest.mark.parametrize("name", ["centre", "coefficients"])
def test_a_calibration_of_another_network_is_refused(
    tmp_path: Path, state: dict[str, Any], name: str, size: int
) -> None:
    presence = {**PRESENCE, name: torch.zeros(size)}
    checkpoint = _reread(tmp_path / "other.pt", {**state, "presence": presence})
    with pytest.raises(CheckpointError, match=r"other\.pt: the presence score"):
        checkpoint.network()


@pytest.mark.parametrize(
    "presence",
    [
        {name: value for name, value in PRESENCE.items() if name != "threshold"},
        {**PRESENCE, "bias": 0.0},
        {**PRESENCE, "centre": [0.0] * 320},
        {**PRESENCE, "threshold": "high"},
        {**PRESENCE, "growth": None},
        [0.5],
        0.5,
    ],
)
def test_a_damaged_calibration_is_refused_wherever_it_is_read(
    tmp_path: Path, state: dict[str, Any], presence: object
) -> None:
    checkpoint = _reread(tmp_path / "damaged.pt", {**state, "presence": presence})
    refused = pytest.raises(CheckpointError, match=r"damaged\.pt holds a damaged presence score")
    with refused:
        checkpoint.network()
    with refused:
        _ = checkpoint.presence_threshold
    with refused:
        _ = checkpoint.presence_growth


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("channels", "128", "a config of no network"),
        ("channels", -1, "a config of no network"),
        ("gate_ratio", 0, "a config of no network"),
        ("reduction_dropout", None, "a config of no network"),
        ("backbone", "vgg19", "there is no backbone vgg19: there are mobilenet_v2, two_trunks, "),
    ],
)
def test_a_config_of_no_network_is_refused(
    tmp_path: Path, state: dict[str, Any], name: str, value: object, told: str
) -> None:
    config = {**state["config"], name: value}
    checkpoint = _reread(tmp_path / "config.pt", {**state, "config": config})
    with pytest.raises(CheckpointError, match=told) as refusal:
        checkpoint.network()
    assert str(tmp_path / "config.pt") in str(refusal.value)


@pytest.mark.parametrize("tensors", [[1], {1: 2}, None])
def test_what_are_no_tensors_is_refused(
    tmp_path: Path, state: dict[str, Any], tensors: object
) -> None:
    checkpoint = _reread(tmp_path / "tensors.pt", {**state, "network": tensors})
    with pytest.raises(CheckpointError, match=r"tensors\.pt does not fit its own config"):
        checkpoint.network()


def test_a_backbone_that_is_not_there_is_refused() -> None:
    config = replace(PRESETS["lite"](), backbone="vgg19")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no backbone vgg19"):
        build_network(config)
