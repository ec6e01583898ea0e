"""Half precision for GPUs, from the first convolutions to the last (docs/adr/0015)."""

from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from export.tiers.folding import folded
from export.tiers.sharing import share_halves

_ACTIVATIONS = frozenset({"Clip", "Relu"})


def halve(source: Path, target: Path) -> None:
    """Write a graph's fp16 form, which shares its weights with the fp32 one beside it.

    Inputs and outputs are float32.

    What comes before the first convolutions and behind the last stays float32: normalisation,
    cosines, the prior's stretching, logits, presence. Their divisors are kept from zero by numbers
    that half precision does not have, and they cost next to nothing.
    """
    model = folded(source)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"
    halved = convert_float_to_float16(
        model,
        keep_io_types=True,
        op_block_list=DEFAULT_OP_BLOCK_LIST,
        node_block_list=_outside_convolutions(model),
    )
    _join_repeated_casts(halved)
    _skip_detours(halved)
    share_halves(halved, source)
    onnx.save(halved, target)


def _outside_convolutions(model: onnx.ModelProto) -> list[str]:
    """Names of nodes before the first convolutions or after the last."""
    behind = _reached([*model.graph.node], backwards=False)
    before = _reached([*reversed(model.graph.node)], backwards=True)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    return [
        node.name
        for node in model.graph.node
        if node.op_type != "Conv"
        and not (node.name in behind and node.name in before)
        and not (node.op_type in _ACTIVATIONS and makers.get(node.input[0]) == "Conv")
    ]


def _reached(nodes: list[onnx.NodeProto], *, backwards: bool) -> set[str]:
    """Names of the nodes that depend on a convolution, in the given order of nodes."""
    tensors: set[str] = set()
    found: set[str] = set()
    for node in nodes:
        arriving, leaving = node.input, node.output
        if backwards:
            arriving, leaving = leaving, arriving
        reached = not tensors.isdisjoint(arriving)
        if reached:
            found.add(node.name)
        if reached or node.op_type == "Conv":
            tensors.update(name for name in leaving if name)
    return found


def _join_repeated_casts(model: onnx.ModelProto) -> None:
    """Keep one of equal casts: up to onnxruntime 1.31 the converter adds one for every reader."""
    made: set[str] = set()
    for node in list(model.graph.node):
        if node.op_type == "Cast" and node.output[0] in made:
            model.graph.node.remove(node)
        made.update(node.output)


def _skip_detours(model: onnx.ModelProto) -> None:
    """Join float32 nodes directly where the converter rounds to half precision and back."""
    casts = {node.output[0]: node for node in model.graph.node if node.op_type == "Cast"}
    halves = {name for name, node in casts.items() if _target(node) == onnx.TensorProto.FLOAT16}
    direct = {
        name: casts[node.input[0]].input[0]
        for name, node in casts.items()
        if _target(node) == onnx.TensorProto.FLOAT and node.input[0] in halves
    }
    for node in model.graph.node:
        if node.op_type == "Cast" and node.output[0] in direct:
            continue
        for index, name in enumerate(node.input):
            node.input[index] = direct.get(name, name)
    _drop_unread(model)


def _drop_unread(model: onnx.ModelProto) -> None:
    """Remove casts that nothing reads; the converter leaves nodes in no order."""
    outputs = {value.name for value in model.graph.output}
    while True:
        read = outputs.union(*(node.input for node in model.graph.node))
        dead = [n for n in model.graph.node if n.op_type == "Cast" and n.output[0] not in read]
        if not dead:
            return
        for node in dead:
            model.graph.node.remove(node)


def _target(cast: onnx.NodeProto) -> int:
    return next(int(a.i) for a in cast.attribute if a.name == "to")
