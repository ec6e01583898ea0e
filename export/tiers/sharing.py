"""Share weights: a tier reads those that the fp32 graph has already from that graph's file.

They are external data in the sense of ONNX, in the fp32 graph. A weight is written as what it is
made of, all of which onnxruntime computes once, when it loads the graph: a quantised one as the
fp32 weight, the factors of its channels, and a QuantizeLinear; one of half precision as a Cast, or
as it is where the fp32 graph is narrowed. The former gives the same bits; the latter may make zero
of what the converter keeps as the smallest half.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.tiers.equalise import Float
from model.build.graph_names import FP16_WEIGHT_SUFFIX

_SMALLEST_HALF = 6e-8
_MIN_ELEMENTS = 16_384  # of a weight that is worth sharing
_QUANTISED_SUFFIX = "_quantized"  # of onnxruntime's quantisation


class _Held(NamedTuple):
    """A constant of the fp32 graph, and the offset of its bytes in the file."""

    tensor: TensorProto
    offset: int


def share_weights(
    model: onnx.ModelProto, source: Path, factors: Mapping[str, Sequence[Float]]
) -> None:
    """Make an int8 graph read its weights from the fp32 graph, in place.

    A weight that the fp32 graph does not reproduce exactly stays in the int8 graph.

    Args:
        model: quantised, with weights named as onnxruntime's quantisation does.
        source: the fp32 graph, which has to lie beside where the model is written.
        factors: by the name of a weight, the arrays that it was multiplied by, in their order.
    """
    graph = model.graph
    held = _held(source)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    made = []
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        quantised, name = constants[node.input[0]], node.input[0].removesuffix(_QUANTISED_SUFFIX)
        own = factors.get(name, ())
        scales = _along_axis(constants[node.input[1]], quantised, node)
        if name in held and _gives(held[name].tensor, own, quantised, scales):
            made += _quantised_at_load(graph, quantised, held[name], own, node, source.name)
    nodes = [*made, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def share_halves(model: onnx.ModelProto, source: Path) -> None:
    """Make an fp16 graph read its weights from the fp32 graph, in place.

    Args:
        model: with half weights that are named as in the fp32 graph.
        source: the fp32 graph, which has to lie beside where the model is written.
    """
    graph = model.graph
    held = _held(source)
    made = []
    for half in graph.initializer:
        if half.data_type != TensorProto.FLOAT16 or half.name not in held:
            continue
        tensor = held[half.name].tensor
        if not _rounds_to(tensor, half):
            continue
        name = half.name
        if tensor.data_type == TensorProto.FLOAT16:
            half.CopyFrom(_external(held[name], name, source.name))
            continue
        wide = name + ".source"
        half.CopyFrom(_external(held[name], wide, source.name))
        made.append(helper.make_node("Cast", [wide], [name], wide, to=TensorProto.FLOAT16))
    nodes = [*made, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _rounds_to(source: TensorProto, half: TensorProto) -> bool:
    """Whether a weight is another in half precision; the converter keeps tiny ones from zero."""
    if source.dims != half.dims:
        return False
    rounded = numpy_helper.to_array(source).astype(np.float16)
    return bool(np.abs(rounded - numpy_helper.to_array(half)).max() <= _SMALLEST_HALF)


def reads_elsewhere(model: onnx.ModelProto) -> bool:
    """Whether a graph reads weights from another file."""
    return any(t.data_location == TensorProto.EXTERNAL for t in model.graph.initializer)


def _held(source: Path) -> dict[str, _Held]:
    """The large constants of a graph, by name, without `FP16_WEIGHT_SUFFIX`."""
    content = source.read_bytes()
    held: dict[str, _Held] = {}
    offsets: dict[bytes, int] = {}  # equal constants share their first bytes
    offset = 0
    for tensor in onnx.load_from_string(content).graph.initializer:
        own = tensor.raw_data
        if not own or np.prod(tensor.dims) < _MIN_ELEMENTS:
            continue
        if own not in offsets:
            offset = _find(content, own, offset)
            offsets[own] = offset
        held[tensor.name.removesuffix(FP16_WEIGHT_SUFFIX)] = _Held(tensor, offsets[own])
    return held


def _find(content: bytes, own: bytes, last: int) -> int:
    """Where bytes lie: behind the last ones that were found, as a rule."""
    found = content.find(own, last)
    return content.index(own) if found < 0 else found


def _along_axis(scales: TensorProto, quantised: TensorProto, node: onnx.NodeProto) -> Float:
    """The scales of a quantised weight in a shape that it can be multiplied by."""
    values: Float = numpy_helper.to_array(scales)
    if not values.ndim:
        return values
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    return values.reshape([-1 if i == axis else 1 for i in range(len(quantised.dims))])


def _gives(
    source: TensorProto, factors: Sequence[Float], quantised: TensorProto, scales: Float
) -> bool:
    """Whether the fp32 weight, multiplied by the factors and quantised, equals the int8 one."""
    if source.dims != quantised.dims or quantised.data_type != TensorProto.INT8:
        return False
    weight = numpy_helper.to_array(source).astype(np.float32)
    for each in factors:
        weight = weight * each
    steps: NDArray[np.float32] = np.clip(np.rint(weight / scales), -128, 127)
    return bool(np.array_equal(steps, numpy_helper.to_array(quantised)))


def _quantised_at_load(
    graph: onnx.GraphProto,
    quantised: TensorProto,
    held: _Held,
    factors: Sequence[Float],
    reader: onnx.NodeProto,
    file: str,
) -> list[onnx.NodeProto]:
    """Replace the bytes of a quantised weight by nodes that compute it from the fp32 graph's."""
    name = quantised.name
    current = name + ".source"
    quantised.CopyFrom(_external(held, current, file))
    nodes = [helper.make_node("Cast", [current], [name + ".float"], name + ".float", to=1)]
    for number, each in enumerate(factors):
        factor, product = f"{name}.factor{number}", f"{name}.product{number}"
        graph.initializer.append(numpy_helper.from_array(each, factor))
        nodes.append(helper.make_node("Mul", [nodes[-1].output[0], factor], [product], product))
    nodes.append(
        helper.make_node("QuantizeLinear", [nodes[-1].output[0], *reader.input[1:]], [name], name)
    )
    nodes[-1].attribute.extend(reader.attribute)  # the axis
    return nodes


def _external(held: _Held, name: str, file: str) -> TensorProto:
    tensor = TensorProto(
        name=name,
        dims=held.tensor.dims,
        data_type=held.tensor.data_type,
        data_location=TensorProto.EXTERNAL,
    )
    place = {"location": file, "offset": held.offset, "length": len(held.tensor.raw_data)}
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor
