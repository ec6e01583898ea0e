"""Static int8: unsigned activations, signed weights for each channel (docs/adr/0015)."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from export.tiers.calibration import Feed, FeedReader
from export.tiers.equalise import Float, equalise, equalised_tensors
from export.tiers.floating import float_nodes
from export.tiers.folding import drop_unused, folded
from export.tiers.rewrites import (
    PIXELS,
    convolve_normalisations,
    feed_pixels,
    fold_normalisation,
)
from export.tiers.sharing import share_weights

QUANTISED = ("Add", "Clip", "Concat", "Conv", "MatMul", "Relu")
# MobileNetV2 multiplies the error of its first layers: the stem, and one block or two after it, of
# three convolutions each.
FLOAT_CONVOLUTIONS = {"lite": 4, "base": 7}
_STRENGTH = 0.5


def quantise(source: Path, target: Path, feeds: Sequence[Feed], *, float_convolutions: int) -> None:
    """Write a graph's int8 form, which shares as many weights as possible with the fp32 one.

    Args:
        source: the fp32 graph.
        target: the int8 graph, in the same folder.
        feeds: inputs to calibrate on.
        float_convolutions: how many of the graph's first convolutions stay in fp32.
    """
    model = folded(source)
    convolve_normalisations(model)
    zero = fold_normalisation(model)
    factors = equalise(model, _peaks(model, feeds), strength=_STRENGTH)
    drop_unused(model)
    kept = _leading(model, float_convolutions)
    _quantise_static(model, target, feeds, [*kept, *float_nodes(model)], zero)
    quantised = onnx.load(target)
    if zero is not None and not kept:
        feed_pixels(quantised)
    share_weights(quantised, source, factors)
    onnx.save(quantised, target)


def _peaks(model: onnx.ModelProto, feeds: Sequence[Feed]) -> dict[str, Float]:
    """Maximum absolute value of each channel, of the activations that equalisation needs."""
    names = equalised_tensors(model)
    if not names:
        return {}
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    drop_unused(probed)
    del probed.graph.output[:]
    probed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    session = ort.InferenceSession(probed.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, Float] = {}
    for feed in feeds:
        for name, value in zip(names, session.run(names, feed), strict=True):
            peak = np.abs(value).max(axis=(0, 2, 3))
            found[name] = np.maximum(found.get(name, peak), peak)
    return found


def _leading(model: onnx.ModelProto, convolutions: int) -> list[str]:
    """Names of all nodes up to and including the convolution of that number."""
    names: list[str] = []
    if convolutions:
        for node in model.graph.node:
            names.append(node.name)
            convolutions -= node.op_type == "Conv"
            if not convolutions:
                break
    return names


def _quantise_static(
    model: onnx.ModelProto,
    target: Path,
    feeds: Sequence[Feed],
    kept: list[str],
    zero: int | None,
) -> None:
    overrides = {}
    if zero is not None:
        step, offset = np.array(1.0, np.float32), np.array(zero, np.uint8)
        overrides[PIXELS] = [{"scale": step, "zero_point": offset, "quant_type": QuantType.QUInt8}]
    logging.disable(logging.WARNING)  # advice to preprocess, which has been done
    try:
        quantize_static(
            model,
            target,
            FeedReader(list(feeds)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=kept,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"WeightSymmetric": True, "TensorQuantOverrides": overrides},
        )
    finally:
        logging.disable(logging.NOTSET)
