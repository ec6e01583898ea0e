"""docs/training.md: its program makes the files of weights that recipes begin with."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx.helper import make_graph, make_model
from onnx.numpy_helper import from_array

from model.build import load_pretrained
from model.nets.backbones import MobileNetV2Backbone, PreActResNet50Backbone, TwoTrunkBackbone

_NORM = {"gamma": "weight", "beta": "bias"}


def _zoo_names(trunk: MobileNetV2Backbone | PreActResNet50Backbone) -> dict[str, str]:
    """By the name of an array of the trunk, that of Gluon: counted in the order of use."""
    counts: dict[str, int] = {}

    def count(prefix: str) -> int:
        counts[prefix] = counts.get(prefix, -1) + 1
        return counts[prefix]

    names = {}
    for name, module in trunk.named_modules():
        if not hasattr(module, "weight"):
            continue
        kind = "conv" if module.__class__.__name__ == "Conv2d" else "batchnorm"
        if found := re.match(r"blocks\.(\d+)\.", name):
            prefix = f"mobilenetv20_features_linearbottleneck{found[1]}_{kind}"
        elif isinstance(trunk, MobileNetV2Backbone):
            prefix = f"mobilenetv20_features_{kind}"
        elif found := re.match(r"stage(\d)\.\d", name):
            prefix = f"resnetv24_stage{found[1]}_{kind}"
        elif name == "stage3.out_bn":
            prefix = "resnetv24_stage4_batchnorm"
        else:
            prefix = f"resnetv24_{kind}"
        names[name] = f"{prefix}{count(prefix)}"
    return names


def _write_zoo_file(trunk: MobileNetV2Backbone | PreActResNet50Backbone, path: Path) -> None:
    state = trunk.state_dict()
    tensors = []
    for name, theirs in _zoo_names(trunk).items():
        words = ["weight"] if "conv" in theirs else [*_NORM, "running_mean", "running_var"]
        for word in words:
            array = state[f"{name}.{_NORM.get(word, word)}"].numpy()
            tensors.append(from_array(array, f"{theirs}_{word}"))
    tensors.append(from_array(np.zeros((1000, 8), np.float32), "net_dense0_weight"))
    onnx.save(make_model(make_graph([], "zoo", [], [], tensors)), path)


def test_the_program_makes_files_that_training_reads(root: Path, tmp_path: Path) -> None:
    semantic, detail = MobileNetV2Backbone(), PreActResNet50Backbone()
    for trunk in (semantic, detail):
        for tensor in trunk.state_dict().values():
            if tensor.is_floating_point():
                tensor.normal_()  # unlike any other
    _write_zoo_file(semantic, tmp_path / "mobilenetv2-7.onnx")
    _write_zoo_file(detail, tmp_path / "resnet50-v2-7.onnx")
    page = (root / "docs" / "training.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    command = [sys.executable, "-c", program]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    both = TwoTrunkBackbone()
    load_pretrained(both, tmp_path / "weights")
    for made, given in ((both.semantic, semantic), (both.detail, detail)):
        for name, tensor in given.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                np.testing.assert_array_equal(made.state_dict()[name].numpy(), tensor.numpy(), name)
