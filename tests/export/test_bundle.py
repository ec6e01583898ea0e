"""A bundle equals the network it came from, and altered ones are refused."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export.bundle import MIOU_TOLERANCE, ExportOptions, _familiar, export_bundle
from export.graphs import comparison_inputs, example_inputs, wrap
from export.parity import TOLERANCE, ParityError, compare, main
from model.build import (
    PRESETS,
    Checkpoint,
    CheckpointError,
    build_network,
    load_start,
    network_state,
    random_network,
    write_checkpoint,
)
from model.contract import (
    GRAPHS,
    HEAD,
    PROTOTYPE,
    InvalidBundleError,
    SupportSet,
    collate_classes,
    file_sha256,
    load_manifest,
    write_manifest,
)
from model.evaluation import Segmenter
from model.evaluation.prediction import Prediction
from model.nets import SDAANet
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter, EagerSegmenter
from tests.export.exported import Exported

ROOT = Path(__file__).parents[2]
# Of logits that are about ten; shots are stored in half precision on the bundle's side.
LOGITS_TOLERANCE, PRESENCE_TOLERANCE = 1e-2, 1e-3

Image = NDArray[np.uint8]


def test_parity_covers_every_output(exported: Exported) -> None:
    rows = json.loads((exported.bundle / "parity.json").read_text())["tensors"]
    found = {(row["graph"], row["tensor"]) for row in rows}
    assert found == {(graph.name, t.name) for graph in GRAPHS for t in graph.outputs}
    assert all(row["max_error"] <= TOLERANCE * max(1.0, row["max_value"]) for row in rows)
    assert all(0.2 < row["max_value"] < 0.8 for row in rows if row["tensor"] == "presence")


def test_a_difference_names_tensor_and_figure(exported: Exported) -> None:
    altered = copy.deepcopy(exported.network)
    with torch.no_grad():
        altered.get_parameter("sse.excite.bias")[0] += 0.5
    cases = example_inputs(exported.network, images=2, pairs=2, shots=1, tokens=2, seed=0)
    path = exported.bundle / exported.manifest.graphs["prototype"].file
    compare(path, PROTOTYPE, wrap(exported.network)["prototype"], {"same": cases["prototype"]})
    with pytest.raises(ParityError, match=r"prototype\.g\w+ \(altered\): differs by 0\.\d+"):
        compare(path, PROTOTYPE, wrap(altered)["prototype"], {"altered": cases["prototype"]})


def test_a_presence_that_differs_a_little_is_told(exported: Exported) -> None:
    altered = copy.deepcopy(exported.network)
    assert altered.presence is not None
    altered.presence.intercept += 0.01
    case = {"altered": comparison_inputs(exported.network)["example"]["head"]}
    path = exported.bundle / exported.manifest.graphs["head"].file
    with pytest.raises(ParityError, match=r"head\.presence \(altered\): differs by 0\.002"):
        compare(path, HEAD, wrap(altered)["head"], case)


def test_a_bundle_is_compared_anew(exported: Exported, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(exported.bundle, tmp_path / "tiny"))
    before = json.loads((bundle / "parity.json").read_text())
    (bundle / "parity.json").write_text(json.dumps({"tensors": [], "miou": before["miou"]}))
    assert main(["--bundle", str(bundle)]) == 0
    after = json.loads((bundle / "parity.json").read_text())
    assert after["miou"] == before["miou"]
    graphs = load_manifest(bundle).graphs
    assert after["graphs"] == {name: graph.sha256 for name, graph in graphs.items()}
    places = [[(r["graph"], r["tensor"], r["case"]) for r in p["tensors"]] for p in (before, after)]
    assert places[0] == places[1]
    load_manifest(bundle)  # it names no hash of the report


def test_a_folder_without_a_bundle_is_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--bundle", str(tmp_path)]) == 2
    assert "no bundle" in capsys.readouterr().err


def test_the_gate_compares_miou_and_records_it(exported: Exported) -> None:
    miou = json.loads((exported.bundle / "parity.json").read_text())["miou"]
    assert (miou["set"], miou["episodes"]) == ("procedural_defects", 4)
    assert 0 < miou["eager"] < 100
    assert abs(miou["eager"] - miou["onnx"]) <= MIOU_TOLERANCE


def test_an_ablation_is_not_exported(tmp_path: Path) -> None:
    config = replace(PRESETS["lite"]().at_side(97), use_prior=False)
    torch.save(network_state(build_network(config), config), tmp_path / "ablation.pt")
    options = ExportOptions(
        checkpoint=tmp_path / "ablation.pt", out=tmp_path / "b", name="b", revision="1"
    )
    with pytest.raises(CheckpointError, match="is an ablation"):
        export_bundle(options)


def test_the_manifest_hashes_its_graphs(exported: Exported) -> None:
    manifest = load_manifest(exported.bundle)
    assert manifest == exported.manifest
    for graph in manifest.graphs.values():
        assert graph.sha256 == file_sha256(exported.bundle / graph.file)
        assert graph.size_bytes == (exported.bundle / graph.file).stat().st_size
    assert manifest.training is not None
    assert manifest.training.episodes == 24


def test_the_manifest_records_presence_growth_and_familiarity(
    exported: Exported, tmp_path: Path
) -> None:
    checkpoint = Checkpoint.read(exported.checkpoint)
    assert exported.manifest.presence_growth == checkpoint.presence_growth > 0
    assert exported.manifest.familiar is not None
    assert exported.manifest.familiar.distance == 0.5
    # It was measured at the checkpoint's own side.
    assert _familiar(checkpoint, 97) == exported.manifest.familiar
    assert _familiar(checkpoint, 65) is None


def test_an_altered_graph_is_refused(exported: Exported, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(exported.bundle, tmp_path / "altered"))
    with (bundle / exported.manifest.graphs["head"].file).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InvalidBundleError, match="head does not match the hash"):
        BundleRuntime(bundle)


def test_the_runtime_equals_the_network_at_any_size(exported: Exported) -> None:
    network, runtime = exported.network, BundleRuntime(exported.bundle, intra_op_threads=1)
    # The graph answers as of one shot.
    runtime.manifest = runtime.manifest.model_copy(update={"presence_growth": 0.0})
    rng, tolerance = np.random.default_rng(0), 1e-3
    for images, classes in ((1, ((1,),)), (3, ((2, 5), (1,), (3, 3, 1)))):
        side = runtime.manifest.input_side
        pixels = rng.integers(0, 256, (images, side, side, 3), dtype=np.uint8)
        masks = np.zeros((images, side, side), np.float32)
        masks[:, 20:70, 10:60] = 1
        shots = runtime.prototypes(runtime.encode(pixels, masks), masks)
        asked = [
            SupportSet(
                tuple(shots[0]._replace(tokens=shots[0].tokens[:count]) for count in counts),
                rng.normal(0, 0.1, 2 * len(shots[0].gate) + 2).astype(np.float32),
            )
            for counts in classes
        ]
        index = np.arange(len(classes), dtype=np.int64) % images
        answers = runtime.head(runtime.encode(pixels), index, asked)
        _, cells = runtime.cells(runtime.encode(pixels), index, asked)
        graphs = wrap(network)
        with torch.inference_mode():
            _, query, high = graphs["encoder"](
                torch.from_numpy(pixels), torch.ones(images, side, side)
            )
            eager = graphs["head"](
                query, high, torch.from_numpy(index), *map(torch.from_numpy, collate_classes(asked))
            )
        for found, wanted in zip((answers.logits, answers.presence, cells), eager, strict=True):
            np.testing.assert_allclose(found, wanted.numpy(), atol=tolerance)
        inverted = runtime.prototypes(runtime.encode(255 - pixels, masks), masks)
        others = [replace(each, shots=tuple(inverted[:1])) for each in asked]
        of_others = runtime.head(runtime.encode(pixels), index, others).logits
        assert np.abs(of_others - answers.logits).max(axis=(1, 2)).min() > 100 * tolerance


def test_eager_and_bundle_segmenters_agree(exported: Exported) -> None:
    network, runtime = exported.network, BundleRuntime(exported.bundle, intra_op_threads=1)
    images = np.random.default_rng(1).integers(0, 256, (5, 80, 120, 3), dtype=np.uint8)
    _require_one_function(network, runtime, images[0], images[1:2], others=images[2:3])
    _require_one_function(network, runtime, images[0], images[1:3], others=images[3:])


def test_a_bundle_in_the_reference_arithmetic_answers_as_its_network(tmp_path: Path) -> None:
    config = replace(PRESETS["lite"]().at_side(65), arithmetic="reference", channels=16)
    network, state = random_network(config, seed=0)
    write_checkpoint(tmp_path / "imported.pt", state)
    manifest = export_bundle(
        ExportOptions(
            checkpoint=tmp_path / "imported.pt",
            out=tmp_path / "b",
            name="b",
            revision="1",
            parity_episodes=0,
        )
    )
    assert manifest.gates == "product"
    runtime = BundleRuntime(tmp_path / "b", intra_op_threads=1)
    images = np.random.default_rng(2).integers(0, 256, (7, 80, 120, 3), dtype=np.uint8)
    query, supports = images[0], images[1:4]
    answer = _require_one_function(network, runtime, query, supports, others=images[4:])
    assert answer.logits.shape == (65, 65)
    assert _ask(BundleSegmenter(runtime, adapt="auto"), query, supports).logits.shape == (65, 65)
    with pytest.raises(CheckpointError, match="reference arithmetic"):
        load_start(network, tmp_path / "b", unseen=())
    write_manifest(tmp_path / "b", manifest.model_copy(update={"gates": "mean"}))
    wrong = BundleRuntime(tmp_path / "b", intra_op_threads=1)
    wrongly_fused = _ask(BundleSegmenter(wrong), query, supports)
    assert _apart(wrongly_fused, answer) > 100 * LOGITS_TOLERANCE


def _require_one_function(
    network: SDAANet, runtime: BundleRuntime, query: Image, supports: Image, *, others: Image
) -> Prediction:
    """Both sides answer alike, while other supports would be answered altogether otherwise."""
    eager, served = (
        _ask(segmenter, query, supports)
        for segmenter in (EagerSegmenter(network), BundleSegmenter(runtime))
    )
    assert _apart(eager, served) < LOGITS_TOLERANCE
    assert served.presence == pytest.approx(eager.presence, abs=PRESENCE_TOLERANCE)
    assert 0.05 < eager.presence < 0.95
    of_others = _ask(EagerSegmenter(network), query, others)
    assert _apart(of_others, eager) > 100 * LOGITS_TOLERANCE
    return eager


def _ask(segmenter: Segmenter, query: Image, supports: Image) -> Prediction:
    """The answer for supports (K, H, W, 3), each with the same rectangle marked."""
    mask = np.zeros(query.shape[:2], np.bool_)
    mask[20:60, 30:90] = True
    shots = [segmenter.add_support(i, image, mask) for i, image in enumerate(supports)]
    return segmenter.segment("query", query, shots)


def _apart(one: Prediction, other: Prediction) -> float:
    return float(np.abs(one.logits - other.logits).max())


def test_graphs_hold_no_source_path_of_the_exporting_machine(exported: Exported) -> None:
    for graph in (*exported.bundle.glob("*.onnx"), *ROOT.glob("model/bundles/*/*.onnx")):
        stored = graph.read_bytes()
        assert str(ROOT).encode() not in stored, graph.name
        assert b"graphs.py" not in stored, graph.name
