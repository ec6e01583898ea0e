"""What holds for the bundles that ship, in each of their precisions."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.contract import (
    Precision,
    SupportSet,
    load_manifest,
    logit,
    resize_image,
    resize_mask,
    upsample_logits,
)
from model.data.folds import fold_classes
from model.runtime import BundleRuntime, Encoded, are_familiar
from service.samples import queries, supports
from service.settings import Settings

BUNDLES = sorted(path.parent for path in Settings().bundle.parent.glob("*/manifest.json"))
PRECISIONS: dict[Path, list[Precision]] = {
    bundle: ["fp32", *load_manifest(bundle).tiers] for bundle in BUNDLES
}


@pytest.fixture(
    scope="module",
    params=[(bundle, precision) for bundle in BUNDLES for precision in PRECISIONS[bundle]],
    ids=lambda param: f"{param[0].name}-{param[1]}",
)
def runtime(request: pytest.FixtureRequest) -> BundleRuntime:
    bundle, precision = request.param
    return BundleRuntime(bundle, precision=precision, intra_op_threads=1)


def _learned(runtime: BundleRuntime, name: str) -> SupportSet:
    side = runtime.manifest.input_side
    images = np.stack([resize_image(each.pixels(), side) for each in supports(name)])
    masks = np.stack([resize_mask(each.mask(name), side) for each in supports(name)])
    return SupportSet(tuple(runtime.prototypes(runtime.encode(images, masks), masks)))


def _encoded(runtime: BundleRuntime, image: NDArray[np.uint8]) -> Encoded:
    return runtime.encode(resize_image(image, runtime.manifest.input_side)[None])


def test_a_class_is_marked_alike_beside_one_of_more_shots(runtime: BundleRuntime) -> None:
    """The shots of a batch are padded to the most of any class, which nothing may see."""
    shots = _learned(runtime, "duck").shots
    few, many = SupportSet(shots[:2]), SupportSet((*shots, *shots))
    query = _encoded(runtime, queries()[0].pixels())

    def answer(*classes: SupportSet) -> NDArray[np.float32]:
        logits = runtime.head(query, np.zeros(len(classes), np.int64), classes).logits
        return np.asarray(logits[0])

    np.testing.assert_allclose(answer(few, many), answer(few), rtol=0, atol=1e-3)


def test_the_duck_is_found(runtime: BundleRuntime) -> None:
    duck, cut = _learned(runtime, "duck"), logit(runtime.manifest.threshold)
    found = []
    for query in queries():
        mask = query.mask("duck")
        if not mask.any():
            continue
        encoded = _encoded(runtime, query.pixels())
        answer = runtime.head(encoded, np.zeros(1, np.int64), [duck])
        marked = upsample_logits(answer.logits[0], *mask.shape) >= cut
        found.append((marked & mask).sum() / (marked | mask).sum())
    assert np.mean(found) > 0.3  # as it is, without adaptation and at one threshold for all


def test_presence_goes_by_the_view_from_near_and_the_mask_by_the_whole(
    runtime: BundleRuntime,
) -> None:
    ducks, others = _learned(runtime, "duck"), _learned(runtime, "pit")
    query = _encoded(runtime, queries()[0].pixels())
    assert queries()[0].mask("duck").any()
    asked = [ducks, replace(ducks, close_up=ducks), replace(ducks, close_up=others)]
    logits, presence, _ = runtime.head(query, np.zeros(3, np.int64), asked)
    np.testing.assert_allclose(logits[1:], logits[:1].repeat(2, axis=0), rtol=0, atol=1e-3)
    assert presence[1] == pytest.approx(presence[0], abs=1e-4)
    assert presence[2] < presence[0] - 0.05


def test_photograph_like_pictures_are_familiar_and_noise_is_not(runtime: BundleRuntime) -> None:
    side, familiar = runtime.manifest.input_side, runtime.manifest.familiar
    assert familiar is not None
    ducks = np.stack([resize_image(each.pixels(), side) for each in supports("duck")])
    noise = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    assert are_familiar(runtime.encode(ducks), familiar).all()
    assert not are_familiar(runtime.encode(noise), familiar).any()


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: str(bundle.name))
def test_a_bundle_is_small_and_tells_what_it_has_not_seen(bundle: Path) -> None:
    manifest = load_manifest(bundle)
    assert manifest.name == bundle.name
    for precision in PRECISIONS[bundle]:
        graphs = manifest.graphs_of(precision).values()
        assert sum(graph.size_bytes for graph in graphs) < 40e6
    assert sum(path.stat().st_size for path in bundle.iterdir()) <= 40e6
    assert manifest.training is not None
    assert set(manifest.training.excluded_classes) >= set(fold_classes(0))
    assert "blood_cells" not in {line.split(":")[0] for line in manifest.training.data}
    assert set(manifest.metrics) >= {f"pascal5i_val fold 0 {k}-shot mIoU" for k in (1, 5)}


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: str(bundle.name))
def test_a_bundle_answered_as_its_network_when_it_was_exported(bundle: Path) -> None:
    parity = json.loads((bundle / "parity.json").read_text())
    graphs = load_manifest(bundle).graphs
    assert parity["graphs"] == {name: graph.sha256 for name, graph in graphs.items()}
    assert {row["graph"] for row in parity["tensors"]} == {"encoder", "prototype", "head"}
    # Where it is nearly 1 a score moves by nothing, and nothing would be compared.
    scores = [row["max_value"] for row in parity["tensors"] if row["tensor"] == "presence"]
    assert all(0.2 < score < 0.8 for score in scores)
    assert parity["miou"]["episodes"] == 50
    assert abs(parity["miou"]["eager"] - parity["miou"]["onnx"]) <= 0.1
