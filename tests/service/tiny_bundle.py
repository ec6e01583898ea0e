"""A bundle of three real but tiny ONNX graphs, made without torch in milliseconds.

The network compares colours: features are average-pooled pixels after a fixed 1x1 convolution, a
position is foreground when it is nearer to the class's mean feature than to its background's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from model.contract import (
    GRAPHS,
    Familiar,
    GraphFile,
    GraphSpec,
    Manifest,
    TensorSpec,
    load_manifest,
    write_manifest,
)

SIDE = 32
CELLS = 8
CHANNELS = 4
HIGH_CHANNELS = 3
OPSET = 18
_POOL = SIDE // CELLS
_SIZES = {
    "S": SIDE,
    "C": CHANNELS,
    "D": HIGH_CHANNELS,
    "h": CELLS,
    "hh": CELLS * CELLS,
    "F": 2 * CHANNELS,
    "R": 2 * CHANNELS + 2,
}
_TYPES = {
    "uint8": TensorProto.UINT8,
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
}


class _Graph:
    """Collects nodes and constants of one graph."""

    def __init__(self, spec: GraphSpec) -> None:
        self._spec = spec
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: ArrayLike, dtype: type = np.float32) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def axes(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def split(self, whole: str, sizes: Sequence[int]) -> list[str]:
        """Parts of the second axis."""
        names = [f"{whole}_{number}" for number in range(len(sizes))]
        self._nodes.append(helper.make_node("Split", [whole, self.axes(*sizes)], names, axis=1))
        return names

    def save(self, path: Path) -> None:
        graph = helper.make_graph(
            self._nodes,
            self._spec.name,
            [_value(spec) for spec in self._spec.inputs],
            [_value(spec) for spec in self._spec.outputs],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 10
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


def _value(spec: TensorSpec) -> onnx.ValueInfoProto:
    shape = [axis if isinstance(axis, int) else _SIZES.get(axis, axis) for axis in spec.axes]
    return helper.make_tensor_value_info(spec.name, _TYPES[spec.dtype], shape)


def _pooled_mask(graph: _Graph) -> str:
    mask = graph.node("Unsqueeze", "mask", graph.axes(1))  # (B, 1, S, S)
    return graph.node("AveragePool", mask, kernel_shape=[_POOL] * 2, strides=[_POOL] * 2)


def _encoder(graph: _Graph, _: float) -> None:
    pixels = graph.node("Cast", "image", to=TensorProto.FLOAT)
    pixels = graph.node("Div", pixels, graph.constant(255.0))
    pixels = graph.node("Transpose", pixels, perm=[0, 3, 1, 2])
    pooled = graph.node("AveragePool", pixels, kernel_shape=[_POOL] * 2, strides=[_POOL] * 2)
    mixing = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, -0.5, 0.5]])
    kernel = graph.constant(mixing.reshape(CHANNELS, 3, 1, 1))
    graph.node("Conv", pooled, kernel, output="support_feature")
    graph.node("Conv", pooled, kernel, output="query_feature")
    graph.node("Mul", pooled, _pooled_mask(graph), output="high_feature")


def _masked_mean(graph: _Graph, weight: str, output: str) -> str:
    weighted = graph.node("Mul", "support_feature", weight)
    total = graph.node("ReduceSum", weighted, graph.axes(2, 3), keepdims=0)
    amount = graph.node("ReduceSum", weight, graph.axes(2, 3), keepdims=0)
    amount = graph.node("Max", amount, graph.constant(1e-6))
    return graph.node("Div", total, amount, output=output)


def _prototype(graph: _Graph, _: float) -> None:
    mask = _pooled_mask(graph)
    _masked_mean(graph, mask, "affinity")
    _masked_mean(graph, graph.node("Sub", graph.constant(1.0), mask), "guided")
    graph.node("Sigmoid", "affinity", output="gate")
    flat = graph.node("Reshape", "high_feature", graph.axes(0, HIGH_CHANNELS, -1))
    rows = graph.node("Transpose", flat, perm=[0, 2, 1])  # (B, hh, D)
    norm = graph.node("ReduceL2", rows, graph.axes(2), keepdims=1)
    graph.node("Div", rows, graph.node("Max", norm, graph.constant(1e-6)), output="tokens")
    cells = graph.node("Reshape", mask, graph.axes(0, -1))
    graph.node("Greater", cells, graph.constant(0.0), output="foreground")


def _distance(graph: _Graph, query: str, vector: str) -> str:
    point = graph.node("Unsqueeze", vector, graph.axes(2, 3))  # (P, C, 1, 1)
    difference = graph.node("Sub", query, point)
    square = graph.node("Mul", difference, difference)
    gated = graph.node("Mul", square, graph.node("Unsqueeze", "gate", graph.axes(2, 3)))
    return graph.node("ReduceSum", gated, graph.axes(1), keepdims=0)  # (P, h, h)


def _prior(graph: _Graph) -> str:
    """Greatest similarity to any valid token of any shot, (P, h, h)."""
    high = graph.node("Gather", "high_feature", "image_index", axis=0)
    tokens = graph.node("Cast", "tokens", to=TensorProto.FLOAT)
    similarity = graph.node("Einsum", high, tokens, equation="pdij,pktd->pktij")
    valid = graph.node("Unsqueeze", "token_valid", graph.axes(3, 4))
    masked = graph.node("Where", valid, similarity, graph.constant(-1.0))
    return graph.node("ReduceMax", masked, graph.axes(1, 2), keepdims=0)


def _head(graph: _Graph, sign: float) -> None:
    query = graph.node("Gather", "query_feature", "image_index", axis=0)
    nearer = graph.node(
        "Sub", _distance(graph, query, "guided"), _distance(graph, query, "affinity")
    )
    scaled = graph.node("Mul", nearer, graph.constant(sign * 30.0))
    own = graph.node("Add", scaled, graph.node("Mul", _prior(graph), graph.constant(0.1)))
    cells = graph.node("Concat", query, query, axis=1, output="cells")
    kept, bias, weights = graph.split("refit", (1, 1, 2 * CHANNELS))
    weighted = graph.node("Mul", cells, graph.node("Unsqueeze", weights, graph.axes(2, 3)))
    linear = graph.node("ReduceSum", weighted, graph.axes(1), keepdims=0)  # (P, h, h)
    kept, bias = (graph.node("Unsqueeze", part, graph.axes(2)) for part in (kept, bias))
    shifted = graph.node("Add", graph.node("Mul", own, kept), bias)
    graph.node("Add", shifted, linear, output="logits")
    best = graph.node("ReduceMax", "logits", graph.axes(1, 2), keepdims=0)
    alike = graph.node("Mul", _likeness(graph), graph.constant(0.1))
    graph.node("Sigmoid", graph.node("Add", best, alike), output="presence")


def _likeness(graph: _Graph) -> str:
    """How like any position is to what the class looks like in close-up, (P,)."""
    high = graph.node("Gather", "high_feature", "image_index", axis=0)
    similarity = graph.node("Einsum", high, "identity", equation="pdij,pd->pij")
    return graph.node("ReduceMax", similarity, graph.axes(1, 2), keepdims=0)


_BUILDERS = {"encoder": _encoder, "prototype": _prototype, "head": _head}


def write_tiny_bundle(
    directory: Path,
    graphs: Sequence[GraphSpec] = GRAPHS,
    *,
    name: str = "tiny",
    revision: str = "test",
    inverted: bool = False,
) -> Path:
    """Write the graphs and their manifest; returns the directory.

    An inverted one marks what the class is not.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for spec in graphs:
        graph = _Graph(spec)
        _BUILDERS[spec.name](graph, -1.0 if inverted else 1.0)
        graph.save(directory / f"{spec.name}.onnx")
    manifest = Manifest(
        name=name,
        revision=revision,
        preset="colour",
        input_side=SIDE,
        feature_side=CELLS,
        channels=CHANNELS,
        high_channels=HIGH_CHANNELS,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        threshold=0.5,
        presence_threshold=0.5,
        max_shot_bytes=4096,
        opset=OPSET,
        graphs={
            name: GraphFile.of(directory / f"{name}.onnx")
            for name in ("encoder", "prototype", "head")
        },
        metrics={},
    )
    write_manifest(directory, manifest)
    return directory


def used_to(bundle: Path, distance: float) -> Path:
    """The bundle, used to images whose features lie within a distance of 0."""
    manifest = load_manifest(bundle)
    known = Familiar(centre=(0.0,) * manifest.high_channels, distance=distance)
    write_manifest(bundle, manifest.model_copy(update={"familiar": known}))
    return bundle
