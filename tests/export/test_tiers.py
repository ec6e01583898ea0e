"""Tiers of lower precision are made, measured, kept or refused, and loaded."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnxruntime.transformers.float16 import convert_float_to_float16

from export.bench_tiers import as_table, bench_tiers
from export.narrow import narrow_bundle
from export.tiers.__main__ import main
from export.tiers.build import write_tiers
from export.tiers.calibration import known_classes
from export.tiers.equalise import equalise, equalised_tensors
from export.tiers.folding import folded
from export.tiers.measure import LoweredPrecision, mask_iou
from export.tiers.rewrites import convolve_normalisations
from export.tiers.sharing import reads_elsewhere
from model.__main__ import main as model_main
from model.contract import (
    GraphFile,
    InvalidBundleError,
    MissingTierError,
    Precision,
    SupportSet,
    load_manifest,
    read_graph,
)
from model.data.datasets import DatasetError, ProceduralDefects, open_dataset
from model.evaluation.records import Evaluation
from model.runtime import BundleRuntime
from tests.export.coloured_set import write_coloured_set
from tests.export.exported import Exported
from tests.service.tiny_bundle import write_tiny_bundle

Capture = pytest.CaptureFixture[str]
SIDE = 97
# Of the tiers of a random network.
CALIBRATION: dict[str, Any] = {
    "calibration": ProceduralDefects(per_class=4, side=SIDE),
    "episodes": 6,
    "min_area": 1,
}
SHIPPED = Path(__file__).parents[2] / "model" / "bundles" / "lite"


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of bright colours, and one of nearly black that calibrates nothing."""
    root = tmp_path_factory.mktemp("sets")
    write_coloured_set(root / "train")
    write_coloured_set(root / "test")
    write_coloured_set(root / "dark", [(4, 0, 0), (0, 4, 0)], ground=0)
    return root


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


@pytest.fixture(scope="module")
def lowered(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random `lite` network at 97 pixels with both tiers, not measured."""
    bundle = Path(shutil.copytree(exported.bundle, tmp_path_factory.mktemp("lowered") / "tiny"))
    write_tiers(bundle, ("fp16", "int8"), **CALIBRATION)
    return bundle


def _add(bundle: Path, sets: Path, *more: str, calibration: str = "train") -> int:
    words = ["--bundle", bundle, "--calibration", sets / calibration, "--data", sets / "test"]
    few = ["--episodes", "8", "--calibration-episodes", "6", "--min-area", "64"]
    return main([*map(str, words), *few, *more])


def _files(bundle: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bundle.iterdir()}


def _ratio_db(expected: np.ndarray, actual: np.ndarray) -> float:
    noise = np.square(expected - actual).mean()
    return float(10 * np.log10(np.square(expected).mean() / noise))


def test_tiers_are_written_measured_and_loaded(tiny: Path, sets: Path, capsys: Capture) -> None:
    before = _files(tiny)
    assert _add(tiny, sets, "--precision", "int8,fp16") == 0
    printed = capsys.readouterr().out
    assert printed.index("fp16: mIoU") < printed.index("int8: mIoU")
    after = _files(tiny)
    added = {f"{graph}.{each}.onnx" for graph in ("encoder", "head") for each in ("fp16", "int8")}
    assert set(after) - set(before) == added
    assert {name: after[name] for name in before if name != "manifest.json"} == {
        name: content for name, content in before.items() if name != "manifest.json"
    }
    manifest = load_manifest(tiny)
    for tier in manifest.tiers.values():
        assert tier.metrics["test 1-shot episodes"] == 8
        fp32, own = (tier.metrics[f"test 1-shot mIoU{of}"] for of in (" of fp32", ""))
        assert fp32 - own <= 0.5
        assert tier.metrics["test agreement with fp32"] > 90
        assert 0 <= tier.metrics["test largest presence difference"] < 0.1
        assert tier.graphs["prototype"] == manifest.graphs["prototype"]
    assert [path.name for path in tiny.parent.iterdir()] == [tiny.name]


def test_a_ruined_tier_is_refused_and_leaves_the_bundle(
    tiny: Path, sets: Path, capsys: Capture
) -> None:
    before = _files(tiny)
    assert _add(tiny, sets, calibration="dark") == 1
    message = capsys.readouterr().err
    assert "more than 0.5 points of mIoU are lost: int8 " in message
    assert "--force" in message
    assert _files(tiny) == before
    assert [path.name for path in tiny.parent.iterdir()] == [tiny.name]


def test_force_keeps_it_with_its_figures(tiny: Path, sets: Path) -> None:
    assert _add(tiny, sets, "--force", calibration="dark") == 0
    metrics = load_manifest(tiny).tiers["int8"].metrics
    assert metrics["test 1-shot mIoU of fp32"] - metrics["test 1-shot mIoU"] > 0.5


def test_calibration_on_the_tested_images_is_refused(
    tiny: Path, sets: Path, capsys: Capture
) -> None:
    assert _add(tiny, sets, calibration="test") == 2
    assert "same images" in capsys.readouterr().err
    assert _add(tiny, sets, calibration="test@all") == 2


def test_a_bundle_without_the_tier_says_which_it_has(tiny: Path) -> None:
    with pytest.raises(MissingTierError, match="no int8 tier: it has fp32"):
        BundleRuntime(tiny, precision="int8")


def test_an_altered_tier_is_refused(tiny: Path, sets: Path) -> None:
    assert _add(tiny, sets) == 0
    with (tiny / "encoder.int8.onnx").open("ab") as file:
        file.write(b" ")
    with pytest.raises(InvalidBundleError, match="encoder does not match the hash"):
        BundleRuntime(tiny)


def test_an_evaluation_names_the_tier_and_its_hashes(
    tiny: Path, sets: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert _add(tiny, sets) == 0
    words = ["evaluate", "--bundle", tiny, "--data", sets / "test", "--precision", "int8"]
    more = ["--episodes", "4", "--min-area", "64", "--json", tmp_path / "int8.json"]
    assert model_main([str(word) for word in (*words, *more)]) == 0
    assert "tiny int8, 32 px" in capsys.readouterr().out
    subject = Evaluation.model_validate_json((tmp_path / "int8.json").read_bytes()).subject
    graphs = load_manifest(tiny).tiers["int8"].graphs
    assert subject.precision == "int8"
    assert subject.sha256 == {name: graph.sha256 for name, graph in graphs.items()}


def _answers(bundle: Path, precision: Precision) -> list[np.ndarray]:
    """Encoder outputs of a query, its logits and presence, for a rendered defect."""
    runtime = BundleRuntime(bundle, precision=precision)
    rendered = ProceduralDefects(per_class=2, side=runtime.manifest.input_side)
    (image, label), (other, _) = rendered.read(0), rendered.read(1)
    mask = (label > 0).astype(np.float32)[None]
    shots = tuple(runtime.prototypes(runtime.encode(image[None], mask), mask))
    query = runtime.encode(other[None], np.ones_like(mask))
    features = ("support_feature", "query_feature", "high_feature")
    encoded = [query.to_numpy(name) for name in features]
    return [*encoded, *runtime.head(query, np.zeros(1, np.int64), [SupportSet(shots)])]


def _check_close(bundle: Path, precision: Precision, *, min_db: float) -> None:
    *expected, presence = _answers(bundle, "fp32")
    *actual, own_presence = _answers(bundle, precision)
    for wanted, found in zip(expected, actual, strict=True):
        assert found.dtype == np.float32
        assert _ratio_db(wanted, found) > min_db
    assert own_presence == pytest.approx(presence, abs=0.05)


def test_int8_answers_closely(lowered: Path) -> None:
    _check_close(lowered, "int8", min_db=12)


def test_half_precision_answers_closely_with_trained_weights(tmp_path: Path) -> None:
    """Random weights shrink features below what half precision can hold."""
    bundle = Path(shutil.copytree(SHIPPED, tmp_path / "lite"))
    write_tiers(
        bundle, ("fp16",), ProceduralDefects(per_class=1, side=SIDE), episodes=1, min_area=1
    )
    _check_close(bundle, "fp16", min_db=25)


@pytest.mark.parametrize(
    ("precision", "kind"),
    [("fp16", onnx.TensorProto.FLOAT16), ("int8", onnx.TensorProto.INT8)],
)
def test_graphs_of_a_tier_are_smaller_and_of_its_kind(
    lowered: Path, precision: LoweredPrecision, kind: int
) -> None:
    manifest = load_manifest(lowered)
    for graph in ("encoder", "head"):
        whole, tier = (manifest.graphs_of(each)[graph] for each in ("fp32", precision))
        assert tier.size_bytes < whole.size_bytes / 2
    model = onnx.load(lowered / f"head.{precision}.onnx")
    assert any(tensor.data_type == kind for tensor in model.graph.initializer)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_tier_reads_weights_of_the_fp32_graph_and_keeps_few_itself(
    lowered: Path, tmp_path: Path, precision: LoweredPrecision
) -> None:
    bundle = Path(shutil.copytree(lowered, tmp_path / "tiny"))
    manifest = load_manifest(bundle)
    tier = manifest.tiers[precision].graphs
    assert tier["encoder"].size_bytes < manifest.graphs["encoder"].size_bytes / 8
    path = bundle / f"encoder.{precision}.onnx"
    whole = onnx.load(path)  # with the weights it reads
    assert reads_elsewhere(onnx.load(path, load_external_data=False))
    assert not reads_elsewhere(whole)
    rendered, _ = ProceduralDefects(per_class=1, side=SIDE).read(0)
    feed: dict[str, np.ndarray] = {
        "image": rendered[None],
        "mask": np.ones((1, SIDE, SIDE), np.float32),
    }
    answers = _run(whole, feed)
    runtime = BundleRuntime(bundle, precision=precision)
    encoded = runtime.encode(rendered[None], feed["mask"])
    for name, expected in zip(("support_feature", "query_feature"), answers, strict=False):
        np.testing.assert_array_equal(encoded.to_numpy(name), expected)


@pytest.mark.parametrize(
    ("precision", "sharing"),
    [("fp16", "export.tiers.fp16.share_halves"), ("int8", "export.tiers.int8.share_weights")],
)
@pytest.mark.parametrize("narrowed", [False, True])
def test_sharing_changes_no_answer(
    exported: Exported,
    lowered: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: LoweredPrecision,
    sharing: str,
    *,
    narrowed: bool,
) -> None:
    answers = []
    for shared in (True, False):
        bundle = tmp_path / str(shared)
        if shared and not narrowed:
            bundle = lowered
        else:
            shutil.copytree(exported.bundle, bundle)
            if narrowed:
                narrow_bundle(bundle)
            if not shared:
                monkeypatch.setattr(sharing, lambda *_: None)
            write_tiers(bundle, (precision,), **CALIBRATION)
        graph = onnx.load(bundle / f"encoder.{precision}.onnx", load_external_data=False)
        assert reads_elsewhere(graph) is shared
        answers.append(_answers(bundle, precision))
    for own, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(own, other)


def test_a_cast_for_every_reader_does_no_harm(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Onnxruntime's converter of 1.31, which its build for GPUs has, repeats them."""

    def convert(*arguments: Any, **options: Any) -> onnx.ModelProto:
        model: onnx.ModelProto = convert_float_to_float16(*arguments, **options)
        casts = [node for node in model.graph.node if node.op_type == "Cast"]
        model.graph.node.extend(casts)
        return model

    bundle = Path(shutil.copytree(exported.bundle, tmp_path / "tiny"))
    monkeypatch.setattr("export.tiers.fp16.convert_float_to_float16", convert)
    write_tiers(bundle, ("fp16",), **CALIBRATION)
    assert BundleRuntime(bundle, precision="fp16").precision == "fp16"


def test_a_bundle_that_changes_while_it_loads_is_refused(
    lowered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Path(shutil.copytree(lowered, tmp_path / "tiny"))

    def read_then_change(folder: Path, graph: GraphFile) -> bytes:
        content = read_graph(folder, graph)
        if graph.file == "head.int8.onnx":
            weights = folder / "head.onnx"
            weights.write_bytes(bytes(weights.stat().st_size))
        return content

    monkeypatch.setattr("model.runtime.bundle.read_graph", read_then_change)
    with pytest.raises(InvalidBundleError, match="head"):
        BundleRuntime(bundle, precision="int8")


def test_graphs_whose_weights_a_tier_reads_are_not_narrowed(lowered: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(lowered, tmp_path / "tiny"))
    before = _files(bundle)
    with pytest.raises(InvalidBundleError, match="narrow first, then make the tier again"):
        narrow_bundle(bundle)
    assert _files(bundle) == before


def test_equalising_narrow_layers_keeps_the_function(exported: Exported) -> None:
    model = onnx.load(exported.bundle / "encoder.onnx")
    names = equalised_tensors(model)
    channels = {t.name: t.dims[0] for t in model.graph.initializer if t.dims}
    made = {n.output[0]: n for n in model.graph.node}
    linear = [name for name in names if made[name].op_type == "Conv"]
    assert linear
    peaks = {name: np.full(_width(name, made, channels), 6.0, np.float32) for name in names}
    rng = np.random.default_rng(0)
    for name in linear:  # no cut follows, so any factor passes through
        peaks[name] = rng.uniform(0.1, 6.0, len(peaks[name])).astype(np.float32)
    feed: dict[str, np.ndarray] = {
        "image": rng.integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8),
        "mask": np.ones((1, SIDE, SIDE), np.float32),
    }
    before = _run(model, feed)
    equalise(model, peaks, strength=1.0)
    for expected, actual in zip(before, _run(model, feed), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_normalisations_as_convolutions_keep_the_function() -> None:
    model = folded(SHIPPED.parent / "base" / "encoder.onnx")
    side = load_manifest(SHIPPED.parent / "base").input_side
    feed: dict[str, np.ndarray] = {
        "image": np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8),
        "mask": np.ones((1, side, side), np.float32),
    }
    before = _run(model, feed)
    kinds = [node.op_type for node in model.graph.node]
    convolve_normalisations(model)
    assert kinds.count("BatchNormalization") == 15
    # But for the one of the pixels, which no ReLU follows.
    assert [node.op_type for node in model.graph.node].count("BatchNormalization") == 1
    for expected, actual in zip(before, _run(model, feed), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())


def _width(name: str, made: dict[str, onnx.NodeProto], channels: dict[str, int]) -> int:
    node = made[name]
    while node.op_type != "Conv":
        node = made[node.input[0]]
    return channels[node.input[1]]


def _run(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, feed))


def test_classes_that_training_left_out_calibrate_nothing(
    exported: Exported, tmp_path: Path
) -> None:
    runtime = BundleRuntime(exported.bundle)
    folder = write_coloured_set(tmp_path / "birds")
    table = folder / "classes.csv"
    table.write_text(table.read_text().replace("colour2", "bird"))
    assert list(known_classes(runtime, open_dataset(folder), 64).images) == [1, 3, 4]
    with pytest.raises(DatasetError, match="no class for calibration"):
        known_classes(runtime, open_dataset(folder), 10_000)


def test_two_empty_masks_agree() -> None:
    empty, half = np.zeros(4, np.uint8), np.array([255, 0, 0, 0], np.uint8)
    full = np.array([255, 255, 0, 0], np.uint8)
    assert mask_iou(empty, empty) == 1
    assert mask_iou(empty, half) == 0
    assert mask_iou(half, full) == 0.5


def test_the_benchmark_times_every_part_of_both_tiers(lowered: Path) -> None:
    rows = bench_tiers(lowered, repeats=3, threads=1)
    assert [row.part for row in rows] == ["encode", "head", "query"]
    for row in rows:
        assert row.ratio == pytest.approx(row.fp32_ms / row.int8_ms)
        assert 0 < row.ratio_min <= row.ratio_max
    header, *lines = as_table(rows).splitlines()
    assert {len(line) for line in lines} == {len(header)}


def test_int8_leaves_cosines_and_pooling_from_both_sides_in_float32(lowered: Path) -> None:
    model = onnx.load(lowered / "head.int8.onnx", load_external_data=False)
    initial = {tensor.name for tensor in model.graph.initializer}
    reached = {"high_feature", "tokens", "identity"}
    for node in model.graph.node:
        if node.op_type != "Concat" and not reached.isdisjoint(node.input):
            reached.update(node.output)
    quantised = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert len([n for n in quantised if n.input[0] in reached]) == 1  # the prior, to be joined
    behind = _origins(model, "presence") - _origins(model, "logits")
    assert "MatMul" in {n.op_type for n in model.graph.node if n.name in behind}
    assert behind.isdisjoint(n.name for n in quantised)
    # Three scales: of the feature, of the maps, of the scale before; each from both sides.
    products = [n for n in model.graph.node if n.op_type == "MatMul"]
    first = {n.output[0] for n in products if n.input[0] in initial}
    second = [n for n in products if n.input[0] in first and n.input[1] in initial]
    assert (len(first), len(second)) == (9, 9)


def _origins(model: onnx.ModelProto, output: str) -> set[str]:
    """Names of the nodes that an output depends on."""
    wanted, found = {output}, set[str]()
    for node in reversed(model.graph.node):
        if not wanted.isdisjoint(node.output):
            found.add(node.name)
            wanted.update(node.input)
    return found


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_refit_is_not_clipped(lowered: Path, precision: Precision) -> None:
    """Ranges come from classes that were not adapted, whose refit is all but zero."""
    runtime = BundleRuntime(lowered, precision=precision)
    rendered = ProceduralDefects(per_class=2, side=SIDE)
    (image, label), (other, _) = rendered.read(0), rendered.read(1)
    mask = (label > 0).astype(np.float32)[None]
    shots = tuple(runtime.prototypes(runtime.encode(image[None], mask), mask))
    query, first = runtime.encode(other[None]), np.zeros(1, np.int64)
    cells = runtime.cells(query, first, [SupportSet(shots)]).cells[0]  # (F, h, h)
    weights = np.random.default_rng(0).normal(size=len(cells)).astype(np.float32)
    weights *= 10 / np.abs(np.tensordot(weights, cells, 1)).max()
    refit = np.concatenate([[0, 3], weights]).astype(np.float32)
    (logits,) = runtime.head(query, first, [SupportSet(shots, refit)]).logits
    np.testing.assert_allclose(logits, 3 + np.tensordot(weights, cells, 1), rtol=0, atol=0.05)
