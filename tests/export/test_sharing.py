"""Where weights lie in the file of a graph."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.tiers.sharing import share_halves

BUNDLES = Path(__file__).parents[2] / "model" / "bundles"
SIDE = 128  # of a weight that is just large enough to share


def _halves(source: onnx.ModelProto) -> onnx.ModelProto:
    """A graph of nothing but the fp32 weights of another, in half precision."""
    halves = [
        numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
        for tensor in source.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    ]
    return helper.make_model(helper.make_graph([], "halves", [], [], halves))


def _offsets(path: Path) -> dict[str, int]:
    """Of the weights that are read from a file."""
    model = _halves(onnx.load(path))
    share_halves(model, path)
    return {
        tensor.name.removesuffix(".source"): int(entry.value)
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "offset"
    }


def _first(path: Path) -> dict[str, int]:
    """Where the bytes of each weight first occur in a file."""
    content = path.read_bytes()
    tensors = onnx.load_from_string(content).graph.initializer
    return {tensor.name: content.index(tensor.raw_data) for tensor in tensors if tensor.raw_data}


def test_equal_weights_and_those_of_any_order_are_found_where_they_lie_first(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    first, second, third = rng.normal(size=(3, SIDE, SIDE)).astype(np.float32)
    order = {"a": first, "b": second, "a again": first, "c": third, "b again": second}
    tensors = [numpy_helper.from_array(values, name) for name, values in order.items()]
    path = tmp_path / "weights.onnx"
    # A node comes before all weights; its bytes are those of the last of them.
    node = helper.make_node("Constant", [], ["x"], value=numpy_helper.from_array(third))
    onnx.save(helper.make_model(helper.make_graph([node], "weights", [], [], tensors)), path)
    found, content = _offsets(path), path.read_bytes()
    assert found.keys() == order.keys()
    for name, values in order.items():
        assert content[found[name] :].startswith(values.tobytes())
    assert found["a"] == found["a again"] < found["b"] == found["b again"]


@pytest.mark.parametrize("bundle", ["base", "lite"])
@pytest.mark.parametrize("graph", ["encoder", "head"])
def test_weights_of_what_is_shipped_are_found_where_they_lie_first(bundle: str, graph: str) -> None:
    path = BUNDLES / bundle / f"{graph}.onnx"
    first, found = _first(path), _offsets(path)
    assert {name: first[name] for name in found} == found
