"""What a loaded bundle keeps on its device changes no answer."""

import gc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model.contract import (
    GraphFile,
    InvalidBundleError,
    SupportSet,
    collate_classes,
    load_manifest,
    write_manifest,
)
from model.runtime import BundleRuntime, Device
from model.runtime.class_inputs import ClassInputs
from tests.service.tiny_bundle import write_tiny_bundle

MANY = 1 << 30


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def classes(tiny: Path) -> list[SupportSet]:
    """Classes of one, two and three shots."""
    runtime = BundleRuntime(tiny)
    images, masks = _images(runtime, 6), np.zeros((6, *_images(runtime, 1).shape[1:3]), np.float32)
    for number, mask in enumerate(masks):
        mask[5 : 20 + 5 * number, 5 : 30 + 3 * number] = 1
    shots = runtime.prototypes(runtime.encode(images, masks), masks)
    return [SupportSet(tuple(part)) for part in (shots[:1], shots[1:3], shots[3:])]


def _images(runtime: BundleRuntime, count: int) -> np.ndarray:
    side = runtime.manifest.input_side
    return np.random.default_rng(count).integers(0, 255, (count, side, side, 3), dtype=np.uint8)


def test_a_mask_that_marks_nothing_has_no_prototype(tiny: Path) -> None:
    runtime = BundleRuntime(tiny)
    images = _images(runtime, 2)
    masks = np.zeros(images.shape[:3], np.float32)
    masks[0, 5, 5] = 1e-3  # a pixel of a large image
    (shot,) = runtime.prototypes(runtime.encode(images[:1], masks[:1]), masks[:1])
    assert len(shot.tokens) == 1
    with pytest.raises(ValueError, match="a mask marks nothing"):
        runtime.prototypes(runtime.encode(images, masks), masks)


def test_there_is_a_mask_of_shares_for_each_support(tiny: Path) -> None:
    runtime = BundleRuntime(tiny)
    images = _images(runtime, 2)
    masks = np.ones(images.shape[:3], np.float32)
    encoded = runtime.encode(images, masks)
    for others in (masks[:1], masks[:, 1:], np.concatenate([masks, masks])):
        with pytest.raises(ValueError, match="do not go with 2 supports"):
            runtime.prototypes(encoded, others)
    for odd in (np.nan, -0.1, 1.1):
        masks[1, 5, 5] = odd
        with pytest.raises(ValueError, match="shares of pixels"):
            runtime.prototypes(encoded, masks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_side": 64}, r"image of the encoder .* and not uint8 \['B', 64, 64, 3\]"),
        ({"channels": 5}, "support_feature of the encoder"),
        ({"high_channels": 7}, "high_feature of the encoder"),
        ({"feature_side": 4}, "support_feature of the encoder"),
        ({"head": "encoder.onnx"}, "head: inputs are .* expected"),
        ({"head": "notes.onnx"}, "the head is no graph"),
    ],
)
def test_graphs_are_those_of_the_contract_and_of_the_manifest(
    tmp_path: Path, change: dict[str, int | str], message: str
) -> None:
    bundle = write_tiny_bundle(tmp_path / "other")
    (bundle / "notes.onnx").write_bytes(b"notes")
    manifest = load_manifest(bundle)
    head = change.pop("head", None)
    if isinstance(head, str):
        graphs = manifest.graphs | {"head": GraphFile.of(bundle / head)}
        manifest = manifest.model_copy(update={"graphs": graphs})
    write_manifest(bundle, manifest.model_copy(update=change))
    with pytest.raises(InvalidBundleError, match=message):
        BundleRuntime(bundle)


def test_classes_that_are_kept_get_the_same_answers(tiny: Path, classes: list[SupportSet]) -> None:
    plain, keeping = BundleRuntime(tiny), BundleRuntime(tiny, class_cache_bytes=MANY)
    one, two, three = classes
    for asked in ([one, two], [two, one], [one, two], [three], [two] * 5, [one, two, three]):
        images = _images(plain, len(asked))
        expected, actual = (
            each.head(each.encode(images), np.arange(len(asked)), asked)
            for each in (plain, keeping)
        )
        np.testing.assert_array_equal(actual.logits, expected.logits)
        np.testing.assert_array_equal(actual.presence, expected.presence)


def test_what_comes_again_is_laid_out_once_while_there_is_room(classes: list[SupportSet]) -> None:
    one, two, three = classes
    kept = ClassInputs(Device(), "mean", MANY)
    first = kept.of([one, two])
    assert kept.of([one, two]) is first
    assert kept.of([two, one]) is not first
    narrow = ClassInputs(Device(), "mean", 1)
    last = narrow.of([three])
    assert narrow.of([three]) is last  # the last one, whatever it takes
    narrow.of([one])
    assert narrow.of([three]) is not last
    without = ClassInputs(Device(), "mean", 0)
    assert without.of([one]) is not without.of([one])


def test_a_new_class_is_never_taken_for_one_that_is_gone(classes: list[SupportSet]) -> None:
    kept = ClassInputs(Device(), "mean", MANY)
    for number in range(200):
        passing = SupportSet(classes[number % 3].shots)  # whose memory the next one may get
        _check_same(kept, [passing])
        del passing
        gc.collect(0)


def _check_same(kept: ClassInputs, asked: Sequence[SupportSet]) -> None:
    expected = collate_classes(asked)._asdict()
    for name, value in kept.of(asked).items():
        np.testing.assert_array_equal(value.numpy(), expected[name])


def test_no_class_and_no_shots_are_refused_and_not_kept(classes: list[SupportSet]) -> None:
    kept, empty = ClassInputs(Device(), "mean", MANY), SupportSet(())
    for _ in range(2):
        with pytest.raises(ValueError, match="at least one shot"):
            kept.of([])
        with pytest.raises(ValueError, match="at least one shot"):
            kept.of([classes[0], empty])


def test_a_query_is_an_image_that_is_seen_everywhere(tiny: Path) -> None:
    runtime = BundleRuntime(tiny)
    for count in (2, 1, 3, 2):
        images = _images(runtime, count)
        query = runtime.encode(images)
        support = runtime.encode(images, np.ones(images.shape[:3], np.float32))
        assert set(query.batch.tensors) == {"query_feature", "high_feature"}
        assert query.nbytes < support.nbytes
        for name in query.batch.tensors:
            np.testing.assert_array_equal(query.to_numpy(name), support.to_numpy(name))


def test_no_prototype_is_made_of_what_was_encoded_as_a_query(tiny: Path) -> None:
    runtime = BundleRuntime(tiny)
    images = _images(runtime, 1)
    with pytest.raises(ValueError, match="encode supports with masks"):
        runtime.prototypes(runtime.encode(images), np.ones(images.shape[:3], np.float32))


def test_masks_for_other_images_are_refused(tiny: Path) -> None:
    runtime = BundleRuntime(tiny)
    images = _images(runtime, 3)
    for masks in (np.ones((1, *images.shape[1:3]), np.float32), np.ones((3, 8, 8), np.float32)):
        with pytest.raises(ValueError, match="do not go with"):
            runtime.encode(images, masks)
