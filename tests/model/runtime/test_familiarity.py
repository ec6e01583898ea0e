"""Whether an image is like those of training."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from model.contract import Familiar, Manifest, SupportSet, load_manifest, write_manifest
from model.runtime import (
    BundleRuntime,
    SupportImages,
    are_familiar,
    image_vectors,
    predict_left_out,
)
from tests.service.tiny_bundle import SIDE, write_tiny_bundle

RED, GREY = (255, 0, 0), (128, 128, 128)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def _plain(*colours: tuple[int, int, int]) -> NDArray[np.uint8]:
    """An image of each colour alone, (B, S, S, 3)."""
    return np.stack([np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in colours])


def test_vector_is_the_mean_of_unit_features(bundle: Path) -> None:
    runtime = BundleRuntime(bundle, intra_op_threads=1)
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    encoded = runtime.encode(images)
    vectors = image_vectors(encoded)
    high = encoded.to_numpy("high_feature").reshape(3, vectors.shape[1], -1)
    expected = [(each / np.linalg.norm(each, axis=0)).mean(axis=1) for each in high]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    np.testing.assert_allclose(image_vectors(encoded.rows(1, 2)), vectors[1:2])


def test_everything_is_familiar_to_a_bundle_that_does_not_say(bundle: Path) -> None:
    runtime = BundleRuntime(bundle, intra_op_threads=1)
    assert are_familiar(runtime.encode(_plain(RED, GREY)), None).tolist() == [True, True]


def test_a_centre_of_another_width_is_no_manifest(bundle: Path) -> None:
    manifest = load_manifest(bundle)
    odd = Familiar(centre=(0.0,) * (manifest.high_channels + 1), distance=1.0)
    with pytest.raises(ValidationError, match="no high-level feature"):
        Manifest.model_validate({**manifest.model_dump(), "familiar": odd.model_dump()})


@pytest.mark.parametrize(
    ("colours", "familiar"),
    [
        ((RED,), True),
        ((GREY,), False),
        ((RED, GREY), True),
        ((GREY, RED), True),
        ((RED, GREY, GREY), False),
        ((GREY, GREY, RED), False),
        ((GREY, RED, RED), True),
    ],
)
def test_a_class_is_familiar_if_at_least_half_of_its_images_are(
    bundle: Path, colours: tuple[tuple[int, int, int], ...], familiar: bool
) -> None:
    red = Familiar(centre=(1.0, 0.0, 0.0), distance=0.1)
    write_manifest(bundle, load_manifest(bundle).model_copy(update={"familiar": red}))
    runtime = BundleRuntime(bundle, intra_op_threads=1)
    images = _plain(*colours)
    images[:, 0, 0, 0] = range(len(images))  # else they would count as one image
    masks = np.zeros(images.shape[:3], np.float32)
    masks[:, 8:20, 8:20] = 1
    shots = tuple(runtime.prototypes(runtime.encode(images, masks), masks))
    shown = SupportImages.of(list(images), list(masks), shots)
    assert predict_left_out(runtime, shown).familiar is familiar


def test_what_was_learned_from_an_unfamiliar_image_corrects_no_surely_familiar_one(
    bundle: Path,
) -> None:
    red = Familiar(centre=(1.0, 0.0, 0.0), distance=0.1)
    write_manifest(bundle, load_manifest(bundle).model_copy(update={"familiar": red}))
    runtime = BundleRuntime(bundle, intra_op_threads=1)
    nearly, images = (255, 25, 0), _plain(RED, GREY, (255, 25, 0))
    encoded = runtime.encode(images)
    assert are_familiar(encoded, red).tolist() == [True, False, True]
    mask = np.zeros((1, SIDE, SIDE), np.float32)
    mask[:, 8:20, 8:20] = 1
    shots = tuple(runtime.prototypes(runtime.encode(_plain(nearly), mask), mask))
    plain = SupportSet(shots)
    refit = np.zeros(2 * len(shots[0].gate) + 2, np.float32)
    refit[:2] = 1, 5  # the network's own logits, raised by 5
    anywhere = SupportSet(shots, refit)
    limited = SupportSet(shots, refit, unfamiliar=True)
    index = np.arange(3).repeat(3)
    found = runtime.head(encoded, index, [plain, anywhere, limited] * 3)
    raised = (found.logits.reshape(3, 3, -1) - found.logits.reshape(3, 3, -1)[:, :1]).mean(axis=2)
    np.testing.assert_allclose(raised, [[0, 5, 0], [0, 5, 5], [0, 5, 5]], atol=1e-4)
    limited_to = found.corrected.reshape(3, 3)[:, 2]
    assert limited_to.tolist() == [False, True, True]
    assert found.corrected.sum() == 8
