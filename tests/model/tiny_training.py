"""A tiny folder of labelled images with starting weights, for whatever trains or looks at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.build.pretrained import MOBILENET_FILE
from model.nets.backbones import Backbone, MobileNetV2Backbone
from model.training import preparation
from model.training.feature_graph import feature_graph, weights_key

SIDE = 65
_feature_graphs: dict[tuple[str, int], bytes] = {}


def write_training_ground(root: Path) -> None:
    """`data/tiny` with 8 images of 2 classes, and `weights` of a random backbone, under `root`."""
    tiny, weights = root / "data" / "tiny", root / "weights"
    for folder in (tiny / "images", tiny / "labels", weights):
        folder.mkdir(parents=True)
    (tiny / "classes.csv").write_text("index,name\n1,cup\n2,key <old>\n", encoding="utf-8")
    rng = np.random.default_rng(0)
    for i in range(8):
        label = np.zeros((50, SIDE), np.uint8)
        label[10 + i : 40, 15:50] = 1 + i % 2
        label[:3] = 255
        pixels = rng.integers(0, 256, (50, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tiny / "images" / f"{i}.jpg")
        Image.fromarray(label).save(tiny / "labels" / f"{i}.png")
    torch.manual_seed(0)
    state = MobileNetV2Backbone().state_dict()
    arrays = {k: v.numpy() for k, v in state.items() if not k.endswith("num_batches_tracked")}
    np.savez(weights / MOBILENET_FILE, **arrays)


@contextmanager
def one_feature_graph() -> Iterator[None]:
    """Export the feature graph of a backbone, which takes seconds, once for all runs inside."""

    def once(backbone: Backbone, side: int) -> bytes:
        key = weights_key(backbone), side
        if key not in _feature_graphs:
            _feature_graphs[key] = feature_graph(backbone, side)
        return _feature_graphs[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "feature_graph", once)
        yield
