"""Constant folding: weights that a graph computes from constants become plain weights."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort


def folded(source: Path) -> onnx.ModelProto:
    """A graph with its constant expressions evaluated, since converters look at plain weights."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/folded.onnx"
        ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def drop_unused(model: onnx.ModelProto) -> None:
    """Remove constants that no node reads, and shape annotations from before the rewrites."""
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(kept)
