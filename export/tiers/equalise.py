"""Bring the channels of an activation to one range before it gets one scale.

An activation is quantised with a single scale, and what MobileNetV2's narrow layers hold differs
hundredfold between channels. Convolution, ReLU and addition let a factor for each channel pass, so
it is taken out of the convolutions that make an activation and put into those that read it:
cross-layer equalisation (arXiv 1906.04721), here by measured activations. At full strength a ReLU6
then clips at a channel's own peak, with less strength between that and 6.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Float = NDArray[np.float32]

_TRANSPARENT = frozenset({"Add", "Clip", "Relu"})
_CLIPPING = frozenset({"Clip", "Relu"})
_MIN_FACTOR = 1 / 64


class _Channels(NamedTuple):
    """Tensors that share their channels' factors, the convolutions before and behind them."""

    tensors: frozenset[str]
    makers: tuple[onnx.NodeProto, ...]
    readers: tuple[onnx.NodeProto, ...]
    clipped: bool


def equalised_tensors(model: onnx.ModelProto) -> list[str]:
    """The activations (B, C, h, w) whose peaks `equalise` asks for."""
    groups = _groups(model)
    return sorted(name for group in groups for name in group.tensors if _is_kept(model, name))


def equalise(
    model: onnx.ModelProto, peaks: Mapping[str, Float], *, strength: float
) -> dict[str, list[Float]]:
    """Rescale the weights in place; only values beyond the peaks, which get clipped, change.

    Args:
        model: float32.
        peaks: greatest absolute value of every channel of `equalised_tensors`.
        strength: 1 for channels of equal range, 0 for no change.

    Returns:
        By the name of each weight and bias, the factors it was multiplied by, in their order.
    """
    scaled: defaultdict[str, list[Float]] = defaultdict(list)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for group in _groups(model):
        found = np.max([peaks[name] for name in group.tensors if name in peaks], axis=0)
        ceiling = 6.0 if group.clipped else float(found.max())
        factors = np.clip(found / max(ceiling, 1e-12), _MIN_FACTOR, 1.0) ** strength
        for node in group.makers:
            for name in node.input[1:]:
                scaled[name].append(_scale(weights[name], 1 / factors, axis=0))
        for node in group.readers:
            depthwise = _groups_of(node) > 1
            axis = 0 if depthwise else 1
            scaled[node.input[1]].append(_scale(weights[node.input[1]], factors, axis=axis))
    return scaled


def _groups(model: onnx.ModelProto) -> list[_Channels]:
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    uses: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
    makers: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        makers.update(dict.fromkeys(node.output, node))
        for name in node.input:
            uses[name].append(node)
    borders = {value.name for value in (*graph.input, *graph.output)}
    found = []
    for tensors in _connected(graph.node, constants):
        made = [makers[name] for name in tensors if name in makers]
        read = [node for name in tensors for node in uses[name]]
        convs = [node for node in made if node.op_type == "Conv"]
        readers = [node for node in read if node.op_type == "Conv"]
        closed = (
            len(made) == len(tensors)
            and not tensors & borders
            and convs
            and readers
            and all(node.op_type in {"Conv", *_TRANSPARENT} for node in (*made, *read))
            and all(_own_weights(node, constants, uses) for node in (*convs, *readers))
            and all(_takes_factors(node, constants) for node in readers)
        )
        if closed:
            clipped = any(node.op_type == "Clip" for node in made)
            found.append(_Channels(tensors, tuple(convs), tuple(readers), clipped))
    return found


def _connected(
    nodes: Iterable[onnx.NodeProto], constants: Mapping[str, onnx.TensorProto]
) -> list[frozenset[str]]:
    """Activations joined by nodes that let a factor pass; a convolution's output alone is one."""
    parts: dict[str, set[str]] = {}
    for node in nodes:
        if node.op_type == "Conv":
            parts.setdefault(node.output[0], {node.output[0]})
        if node.op_type not in _TRANSPARENT:
            continue
        names = {name for name in (*node.input, *node.output) if name and name not in constants}
        joined = set().union(names, *(parts.get(name, set()) for name in names))
        parts.update(dict.fromkeys(joined, joined))
    return list(dict.fromkeys(frozenset(part) for part in parts.values()))


def _own_weights(
    node: onnx.NodeProto,
    constants: Mapping[str, onnx.TensorProto],
    uses: Mapping[str, list[onnx.NodeProto]],
) -> bool:
    return all(name in constants and len(uses[name]) == 1 for name in node.input[1:])


def _takes_factors(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    outputs, inputs = constants[node.input[1]].dims[:2]
    return _groups_of(node) in {1, outputs} and (_groups_of(node) == 1 or inputs == 1)


def _groups_of(node: onnx.NodeProto) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)


def _is_kept(model: onnx.ModelProto, name: str) -> bool:
    """Whether an activation is quantised itself, not merged into the clipping node that follows."""
    readers = [node for node in model.graph.node if name in node.input]
    return not all(node.op_type in _CLIPPING for node in readers)


def _scale(tensor: onnx.TensorProto, factors: Float, *, axis: int) -> Float:
    """Multiply along an axis, in place; returns the factors in the shape that was multiplied by."""
    values = numpy_helper.to_array(tensor)
    shape = [1] * values.ndim
    shape[axis] = -1
    shaped: Float = factors.reshape(shape).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array((values * shaped).astype(np.float32), tensor.name))
    return shaped
