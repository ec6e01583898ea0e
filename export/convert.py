"""PyTorch graph to ONNX file, with the names and dynamic axes of the contract."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from model.contract import GraphSpec
from model.contract.graphs import DYNAMIC_AXES

OPSET = 20


def convert(graph: nn.Module, spec: GraphSpec, example: tuple[Tensor, ...], path: Path) -> None:
    """Export one graph.

    Args:
        graph: in eval mode.
        spec: its contract.
        example: inputs; dynamic axes are at least 2, or the exporter would make them constant.
        path: the ONNX file, one file with its weights inside.
    """
    axes = {name: torch.export.Dim(name, min=1, max=4096) for name in sorted(DYNAMIC_AXES)}
    shapes = tuple(
        {i: axes[axis] for i, axis in enumerate(tensor.axes) if axis in DYNAMIC_AXES}
        for tensor in spec.inputs
    )
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            graph.eval(),
            example,
            path,
            dynamo=True,
            opset_version=OPSET,
            input_names=[tensor.name for tensor in spec.inputs],
            output_names=[tensor.name for tensor in spec.outputs],
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )
    _forget_origin(path)


def _forget_origin(path: Path) -> None:
    """Remove the exporter's metadata, which holds source paths of this machine."""
    model = onnx.load(path)
    graph = model.graph
    tensors = (*graph.input, *graph.output, *graph.initializer, *graph.value_info)
    for part in (model, graph, *graph.node, *tensors):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)
