"""A tiny folder of labelled images, starting weights, and an untrained network."""

from pathlib import Path

import pytest

from model.build import PRESETS, random_network, write_checkpoint
from tests.model.tiny_training import SIDE, write_training_ground


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data/tiny` with 8 images of 2 classes, `weights`, and `checkpoint.pt` of random weights."""
    root = tmp_path_factory.mktemp("experiments")
    write_training_ground(root)
    config = PRESETS["lite"]().at_side(SIDE)
    write_checkpoint(root / "checkpoint.pt", random_network(config, seed=0)[1])
    return root


@pytest.fixture(scope="session")
def checkpoint(root: Path) -> Path:
    """A whole network with random weights."""
    return root / "checkpoint.pt"
