"""Checkpoints are replaced as a whole."""

import os
from pathlib import Path

import pytest
import torch

from model.build import read_checkpoint, write_checkpoint


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    state = {"config": {}, "network": {"weight": torch.ones(2)}}
    write_checkpoint(path, state)
    with pytest.raises((AttributeError, TypeError, RuntimeError), match="pickle"):
        write_checkpoint(path, state | {"generator": (number for number in range(3))})
    assert torch.equal(read_checkpoint(path)["network"]["weight"], torch.ones(2))


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
