"""What segmenters keep of images changes no answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model.build import PRESETS, build_network
from model.contract import resize_image, resize_mask, upsample_logits
from model.evaluation import Segmenter
from model.nets.backbones import Backbone
from model.runtime import (
    Adaptation,
    BundleRuntime,
    Encoded,
    SupportImages,
    find_close_up,
    find_portrait,
    mirrored,
)
from model.segmenters import BundleSegmenter, EagerSegmenter, NearestPrototypeSegmenter
from tests.service.tiny_bundle import used_to, write_tiny_bundle

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 40, 48, 3), dtype=np.uint8)


def _masks() -> list[NDArray[np.bool_]]:
    """Objects of different sizes, so that shots differ in their number of tokens."""
    masks = [np.zeros((40, 48), np.bool_) for _ in range(2)]
    masks[0][4:30, 5:40] = True
    masks[1][10:20, 10:25] = True
    return masks


def _answers(segmenter: Segmenter) -> list[NDArray[np.float32]]:
    """Each query asked with one shot, with the same image's other mask, and with both shots."""
    first, second = _masks()
    answers = []
    for query in (2, 0):
        shots = [
            segmenter.add_support(0, IMAGES[0], first),
            segmenter.add_support(0, IMAGES[0], second),
            segmenter.add_support(1, IMAGES[1], second),
        ]
        sets = ([shots[0]], [shots[1]], [shots[0], shots[2]])
        answers += [segmenter.segment(query, IMAGES[query], chosen).logits for chosen in sets]
    return answers


def _count(monkeypatch: pytest.MonkeyPatch, owner: Any, method: str) -> list[None]:
    """A list that grows by one with every call of a method."""
    calls: list[None] = []
    original = getattr(owner, method)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, method, counted)
    return calls


def test_a_bundle_encodes_each_query_and_each_masked_support_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = BundleRuntime(write_tiny_bundle(tmp_path / "tiny"), intra_op_threads=1)
    forgetful = _answers(BundleSegmenter(runtime, limit_bytes=1))
    calls = _count(monkeypatch, runtime, "encode")
    kept = _answers(BundleSegmenter(runtime))
    assert len(calls) == 3 * 2 + 2  # a support, its views together, and the queries
    quick = _answers(BundleSegmenter(runtime, near_views=False))
    assert len(calls) == 8 + 3 + 2
    for answer, again in zip(kept, quick, strict=True):
        np.testing.assert_array_equal(answer, again)
    for answer, again in zip(kept, forgetful, strict=True):
        np.testing.assert_array_equal(answer, again)
    assert not np.array_equal(kept[0], kept[1])  # another mask is another support


def test_a_bundle_is_fitted_once_to_the_shots_of_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = BundleRuntime(write_tiny_bundle(tmp_path / "tiny"), intra_op_threads=1)
    calls: list[int] = []

    def predicted(_: object, supports: SupportImages) -> object:
        calls.append(len(supports.pixels))
        return None

    monkeypatch.setattr("model.segmenters.bundle.predict_left_out", predicted)
    monkeypatch.setattr("model.segmenters.bundle.adapt_to", lambda *_, **__: Adaptation())
    segmenter = BundleSegmenter(runtime, adapt=True)
    first, second = _masks()
    for query in (2, 0, 1):
        one = segmenter.add_support(0, IMAGES[0], first)
        other = segmenter.add_support(1, IMAGES[1], second)
        segmenter.segment(query, IMAGES[query], [one])
        segmenter.segment(query, IMAGES[query], [one, other])
    assert calls == [1, 2]


def test_a_bundle_outlines_what_is_unlike_training_by_its_colours(tmp_path: Path) -> None:
    def ring(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Thinner than a cell."""
        rng = np.random.default_rng(seed)
        rows, columns = np.indices((128, 128)) - rng.uniform(54, 74, (2, 1, 1))
        distance = np.hypot(rows, columns)
        mask = (distance > 28) & (distance < 38)
        image = np.where(mask[..., None], (180, 70, 120), (150, 140, 150))
        return (image + rng.normal(0, 6, image.shape)).astype(np.uint8), mask

    bundle = used_to(write_tiny_bundle(tmp_path / "tiny"), 1e-6)
    runtime, (image, mask) = BundleRuntime(bundle, intra_op_threads=1), ring(9)
    found = {}
    for adapt in (False, True):
        segmenter = BundleSegmenter(runtime, adapt=adapt)
        supports = [segmenter.add_support(seed, *ring(seed)) for seed in range(3)]
        logits = upsample_logits(segmenter.segment(9, image, supports).logits, *mask.shape)
        found[adapt] = float(((logits > 0) & mask).sum() / ((logits > 0) | mask).sum())
    assert found[True] > 0.75
    assert found[True] > found[False] + 0.1


def test_the_eager_network_runs_its_backbone_once_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = build_network(PRESETS["lite"]().at_side(65))
    forgetful = _answers(EagerSegmenter(network, limit_bytes=1))
    calls = _count(monkeypatch, network.backbone, "features")
    kept = _answers(EagerSegmenter(network))
    assert len(calls) == 3 + 2 * 3  # images, and two more views of each object
    for answer, again in zip(kept, forgetful, strict=True):
        np.testing.assert_allclose(answer, again, atol=1e-6)
    assert not np.allclose(kept[0], kept[1], atol=1e-6)


def _of_size(side: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    image = np.random.default_rng(side).integers(0, 256, (160, 200, 3), dtype=np.uint8)
    mask = np.zeros((160, 200), np.bool_)
    mask[20 : 20 + side, 30 : 30 + side] = True
    return image, mask


@pytest.mark.parametrize(("side", "encoded"), [(30, 4), (120, 3)])
def test_a_whole_image_that_is_one_of_the_views_is_encoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, encoded: int
) -> None:
    runtime = BundleRuntime(write_tiny_bundle(tmp_path / "tiny"), intra_op_threads=1)
    batches: list[int] = []
    encode = runtime.encode

    def counted(images: NDArray[np.uint8], masks: NDArray[np.float32]) -> Encoded:
        batches.append(len(images))
        return encode(images, masks)

    monkeypatch.setattr(runtime, "encode", counted)
    BundleSegmenter(runtime).add_support(0, *_of_size(side))
    assert sum(batches) == encoded
    torch.manual_seed(0)
    network = build_network(PRESETS["lite"]().at_side(65))
    calls = _count(monkeypatch, network.backbone, "features")
    EagerSegmenter(network).add_support(0, *_of_size(side))
    assert len(calls) == encoded


@pytest.mark.parametrize("side", [30, 120])
def test_presence_is_judged_by_a_near_view_that_mirrored_and_a_portrait(
    tmp_path: Path, side: int
) -> None:
    runtime = BundleRuntime(write_tiny_bundle(tmp_path / "tiny"), intra_op_threads=1)
    (image, mask), size = _of_size(side), runtime.manifest.input_side
    close_up = find_close_up(mask)
    assert (close_up is None) == (side == 120)
    near = close_up.slices if close_up else (slice(None), slice(None))
    windows = [near, find_portrait(mask).slices]
    pixels = np.stack([resize_image(image[window], size) for window in windows])
    shares = np.stack([resize_mask(mask[window], size) for window in windows])
    pixels, shares = (np.concatenate([part, mirrored(part[:1])]) for part in (pixels, shares))
    views = runtime.prototypes(runtime.encode(pixels, shares), shares)
    expected = np.mean([view.mean_token for view in views], axis=0).astype(np.float16)
    found = BundleSegmenter(runtime).add_support(0, image, mask)
    np.testing.assert_array_equal(found.identity, expected)


class _Colours(Backbone):
    """Features are the colours of every second pixel; of the stage behind, long and all alike."""

    mid_channels, high_channels, stride = 3, 3, 2

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def shallow(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :, ::2, ::2]

    def deep(self, shallow: torch.Tensor) -> torch.Tensor:
        return torch.full_like(shallow, 1000.0)

    def high(self, stage3: torch.Tensor) -> torch.Tensor:
        return stage3

    def deep_parameters(self) -> Iterator[torch.nn.Parameter]:
        yield self.unused


def test_the_nearest_prototype_is_found_wherever_the_object_moves() -> None:
    def picture(rows: slice, columns: slice) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        mask = np.zeros((33, 33), np.bool_)
        mask[rows, columns] = True
        colours = np.where(mask[..., None], (220, 30, 30), (20, 60, 200))
        return colours.astype(np.uint8), mask

    segmenter = NearestPrototypeSegmenter(_Colours(), input_side=33)
    shown = [picture(slice(4, 20), slice(2, 14)), picture(slice(20, 30), slice(8, 30))]
    supports = [segmenter.add_support(i, *each) for i, each in enumerate(shown)]
    query, expected = picture(slice(6, 26), slice(16, 28))
    for shots in (supports[:1], supports):
        found = segmenter.segment("query", query, shots)
        np.testing.assert_array_equal(found.logits > 0, expected[::2, ::2])
        assert found.presence == 1


def test_the_nearest_prototype_weighs_shots_alike() -> None:
    first, second = _masks()
    segmenter = NearestPrototypeSegmenter(_Colours(), input_side=33)
    one = segmenter.add_support(0, IMAGES[0], first)
    other = segmenter.add_support(1, IMAGES[1], second)
    both = segmenter.segment(2, IMAGES[2], [one, other]).logits
    np.testing.assert_allclose(
        segmenter.segment(2, IMAGES[2], [other, one]).logits, both, atol=1e-5
    )
    alone = segmenter.segment(2, IMAGES[2], [one]).logits
    np.testing.assert_allclose(segmenter.segment(2, IMAGES[2], [one, one]).logits, alone, atol=1e-5)
    assert np.abs(both - alone).max() > 1e-3
