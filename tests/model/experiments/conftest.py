"""A tiny folder of labelled images, starting weights, and an untrained network."""

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.build import PRESETS, build_network, network_state
from model.build.pretrained import MOBILENET_FILE
from model.nets.backbones import MobileNetV2Backbone

SIDE = 65


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data/tiny` with 8 images of 2 classes, `weights`, and `checkpoint.pt` of random weights."""
    root = tmp_path_factory.mktemp("experiments")
    tiny, weights = root / "data" / "tiny", root / "weights"
    for folder in (tiny / "images", tiny / "labels", weights):
        folder.mkdir(parents=True)
    (tiny / "classes.csv").write_text("index,name\n1,cup\n2,key <old>\n", encoding="utf-8")
    rng = np.random.default_rng(0)
    for i in range(8):
        label = np.zeros((50, 65), np.uint8)
        label[10 + i : 40, 15:50] = 1 + i % 2
        label[:3] = 255
        pixels = rng.integers(0, 256, (50, 65, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tiny / "images" / f"{i}.jpg")
        Image.fromarray(label).save(tiny / "labels" / f"{i}.png")
    torch.manual_seed(0)
    state = MobileNetV2Backbone().state_dict()
    arrays = {k: v.numpy() for k, v in state.items() if not k.endswith("num_batches_tracked")}
    np.savez(weights / MOBILENET_FILE, **arrays)
    config = PRESETS["lite"]().at_side(SIDE)
    torch.save(network_state(build_network(config), config), root / "checkpoint.pt")
    return root


@pytest.fixture(scope="session")
def checkpoint(root: Path) -> Path:
    """A whole network with random weights."""
    return root / "checkpoint.pt"


@pytest.fixture
def _signals() -> Iterator[None]:
    """The ablation installs handlers for the rest of its process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)
