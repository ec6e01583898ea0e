"""Exact changes of a float32 graph that let its int8 form run without float detours."""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

PIXELS = "centred_pixels"
_PIXEL_ZERO = "pixel_zero"
_BIAS = "pixel_bias"


def convolve_normalisations(model: onnx.ModelProto) -> None:
    """Write a normalisation before a ReLU as a convolution of each channel by itself.

    A pre-activation network normalises after an addition, where there is no convolution to fold the
    normalisation into. As a convolution it runs in int8, and its weights are exact there, since
    each channel has a single weight and a scale of its own.
    """
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    readers = _readers(model)
    for node in model.graph.node:
        following = [other.op_type for other in readers.get(node.output[0], [])]
        if node.op_type != "BatchNormalization" or following != ["Relu"]:
            continue
        scale, shift, mean, variance = (constants[name] for name in node.input[1:])
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        weight = scale / np.sqrt(variance + epsilon)
        own = {
            f"{node.output[0]}.weight": weight.reshape(-1, 1, 1, 1),
            f"{node.output[0]}.bias": shift - mean * weight,
        }
        for name, values in own.items():
            tensor = numpy_helper.from_array(values.astype(np.float32), name)
            model.graph.initializer.append(tensor)
        convolution = helper.make_node(
            "Conv", [node.input[0], *own], [node.output[0]], node.name, group=len(weight)
        )
        node.CopyFrom(convolution)


def fold_normalisation(model: onnx.ModelProto) -> int | None:
    """Move division by 255, mean and deviation into the first convolution.

    The convolution pads with zero, which stays the mean over all channels instead of each one's
    own: its outermost row and column differ by at most a fifth of a deviation.

    Returns:
        The mean pixel over all channels, on which `PIXELS`, the convolution's new input, are
        centred; None where the graph does not begin with such a normalisation.
    """
    graph = model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    chain = _chain(model, ("Transpose", "Cast", "Div", "Sub", "Div", "Conv"))
    if chain is None or not all(node.input[1] in constants for node in chain[2:]):
        return None
    _, cast, over_255, minus_mean, over_std, conv = chain
    scale = constants[over_255.input[1]]
    mean = (constants[minus_mean.input[1]] * scale).ravel()  # of pixels, for each channel
    deviation = (constants[over_std.input[1]] * scale).ravel()
    weight = constants[conv.input[1]] / deviation[:, None, None]
    zero = int(np.rint(mean.mean()))
    shift = (weight * (zero - mean)[:, None, None]).sum(axis=(1, 2, 3))
    _replace(model, conv.input[1], weight)
    bias = constants[conv.input[2]] if len(conv.input) > 2 else np.zeros(len(weight), np.float32)
    graph.initializer.append(numpy_helper.from_array((bias + shift).astype(np.float32), _BIAS))
    conv.input[:] = [PIXELS, conv.input[1], _BIAS]
    graph.initializer.append(numpy_helper.from_array(np.array(zero, np.float32), _PIXEL_ZERO))
    minus_mean.input[:] = [cast.output[0], _PIXEL_ZERO]
    minus_mean.output[0] = PIXELS
    graph.node.remove(over_255)
    graph.node.remove(over_std)
    return zero


def feed_pixels(model: onnx.ModelProto) -> None:
    """Let a quantised graph read the decoded bytes, which are the quantised `PIXELS` already."""
    graph = model.graph
    centring = next(node for node in graph.node if PIXELS in node.output)
    cast = next(node for node in graph.node if centring.input[0] in node.output)
    quantise = next(node for node in graph.node if PIXELS in node.input)
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == quantise.output[0]:
                node.input[index] = cast.input[0]
    for node in (centring, cast, quantise):
        graph.node.remove(node)


def _chain(model: onnx.ModelProto, kinds: tuple[str, ...]) -> list[onnx.NodeProto] | None:
    """The nodes behind the image if they are of these kinds, each the only reader of the last."""
    readers, found, name = _readers(model), [], "image"
    for kind in kinds:
        following = readers.get(name, [])
        if [node.op_type for node in following] != [kind]:
            return None
        found.append(following[0])
        name = following[0].output[0]
    return found


def _readers(model: onnx.ModelProto) -> Mapping[str, list[onnx.NodeProto]]:
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def _replace(model: onnx.ModelProto, name: str, values: NDArray[np.floating]) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
