"""Graphs of a bundle in onnxruntime, once they are what the contract says."""

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from model.contract import GraphSpec, InvalidBundleError, TensorSpec

# Of bytes that are no graph, or none that this onnxruntime can run anywhere.
_NO_GRAPH = (ort_errors.InvalidGraph, ort_errors.InvalidProtobuf)
_TYPES = {
    "bool": "tensor(bool)",
    "float16": "tensor(float16)",
    "float32": "tensor(float)",
    "int64": "tensor(int64)",
    "uint8": "tensor(uint8)",
}


def open_graph(
    content: bytes,
    spec: GraphSpec,
    axes: Mapping[str, int],
    *,
    options: ort.SessionOptions,
    providers: Sequence[Any],
) -> ort.InferenceSession:
    """A session of a graph.

    Args:
        content: of the ONNX file.
        spec: what the contract says of it.
        axes: sizes of the fixed axes, as `Manifest.axes` has them.
        options: of the session.
        providers: as onnxruntime takes them.

    Raises:
        InvalidBundleError: it is no graph, or another one.
    """
    try:
        session = ort.InferenceSession(content, sess_options=options, providers=providers)
    except _NO_GRAPH as exc:
        raise InvalidBundleError(f"the {spec.name} is no graph that can be run") from exc
    if difference := differing_names(session, spec):
        raise InvalidBundleError(difference)
    found = [*session.get_inputs(), *session.get_outputs()]
    for tensor, wanted in zip(found, (*spec.inputs, *spec.outputs), strict=True):
        _require(spec.name, tensor, wanted, axes)
    return session


def differing_names(session: ort.InferenceSession, spec: GraphSpec) -> str | None:
    """How the names of a graph's inputs and outputs, in order, differ from the contract's."""
    for kind, found, wanted in (
        ("inputs", session.get_inputs(), spec.inputs),
        ("outputs", session.get_outputs(), spec.outputs),
    ):
        names, expected = [each.name for each in found], [each.name for each in wanted]
        if names != expected:
            return f"{spec.name}: {kind} are {names}, expected {expected}"
    return None


def _require(graph: str, found: Any, spec: TensorSpec, axes: Mapping[str, int]) -> None:
    shapes = [[axes.get(str(axis), axis) for axis in spec.axes]]
    if spec.name == "logits":  # at the input side in the reference arithmetic
        shapes.append([spec.axes[0], axes["S"], axes["S"]])
    if found.type != _TYPES[spec.dtype] or not any(_fits(found.shape, shape) for shape in shapes):
        raise InvalidBundleError(
            f"{spec.name} of the {graph} is {found.type} {found.shape}, "
            f"and not {spec.dtype} {shapes[0]}"
        )


def _fits(found: Sequence[object], wanted: Sequence[object]) -> bool:
    """Whether no size is another one; what is no number may be any."""
    return len(found) == len(wanted) and all(
        one == other or not (isinstance(one, int) and isinstance(other, int))
        for one, other in zip(found, wanted, strict=True)
    )
