"""Pixels of a class told by their colours."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model.contract import (
    PIXEL_CLASSIFIER_SIZE,
    PIXEL_FEATURES,
    SupportPrototype,
    resize_image,
    upsample_logits,
)
from model.runtime import SupportImages, correct, pixel_classifier
from model.runtime.pixel_classifier import PixelClassifier, PixelColours, pixel_features
from model.runtime.pixel_fit import choose_pixel_classifier, trusted_share

SIDE, CELLS = 64, 8
NOTHING = np.zeros((1, 1), np.float16)
SHOT = SupportPrototype(NOTHING[0], NOTHING[0], NOTHING[0], NOTHING)


def _scene(
    seed: int, *, told: bool = True, side: int = SIDE
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Bent stripes, thinner than a cell, on noise; `told`: in a colour of their own."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    across = columns + 6 * np.sin(rows / 9 + seed)
    mask = (across % 21) < 5
    pixels = rng.integers(90, 130, (side, side, 3))
    if told:
        pixels[mask] += (60, -20, 10)
    return pixels.clip(0, 255).astype(np.uint8), mask.astype(np.float32)


def _answer(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a network says that sees only how much of a cell is object."""
    share = cv2.resize(mask, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(12 * (share - 0.3), np.float32)


def _supports(*scenes: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> SupportImages:
    return SupportImages.of(
        [pixels for pixels, _ in scenes], [mask for _, mask in scenes], (SHOT,) * len(scenes)
    )


def _chosen(*scenes: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> PixelClassifier | None:
    answers = np.stack([_answer(mask) for _, mask in scenes])
    if len(scenes) == 1:
        answers = np.concatenate([answers, answers[:, :, ::-1]])
    return choose_pixel_classifier(_supports(*scenes), answers, threshold=0.5)


def _iou(logits: NDArray[np.float32], mask: NDArray[np.float32]) -> float:
    marked = upsample_logits(logits, SIDE, SIDE) >= 0
    return float((marked & (mask > 0)).sum() / (marked | (mask > 0)).sum())


@pytest.mark.parametrize("count", [1, 2, 5])
def test_outlines_finer_than_a_cell_are_found_by_their_colour(count: int) -> None:
    classifier = _chosen(*map(_scene, range(count)))
    assert classifier is not None
    pixels, mask = _scene(9)
    answer = _answer(mask)
    assert _iou(answer, mask) < 0.6
    corrected = correct(answer, classifier.packed(), PixelColours(pixels))
    assert corrected.shape == (SIDE // 2, SIDE // 2)
    assert _iou(corrected, mask) > (0.7 if count == 1 else 0.8)


def test_what_has_no_colour_of_its_own_is_left_to_the_network() -> None:
    assert _chosen(*(_scene(seed, told=False) for seed in range(4))) is None


def test_a_gain_counts_less_its_standard_error() -> None:
    shares = np.ones((4, 10), np.float32)
    own = np.full((4, 10), -1, np.float32)
    own[:, :5] = 1  # half of each is found without a regression
    right = np.ones((4, 10), np.float32)
    assert trusted_share(own, right, shares, 0.0) > 0.5
    # One support gains all, the others lose a little: nothing is sure.
    mixed = own.copy()
    mixed[0], mixed[1:, 4] = 1, -3
    assert trusted_share(own, mixed, shares, 0.0) == 0
    assert trusted_share(own, own, shares, 0.0) == 0
    # Alike in all supports, a gain of the same mean is trusted.
    alike = own.copy()
    alike[:, 5] = 1
    assert trusted_share(own, alike, shares, 0.0) > 0.5


def test_a_single_support_must_gain_more_since_its_parts_are_alike() -> None:
    shares = np.ones((2, 10), np.float32)
    own = np.full((2, 10), -1, np.float32)
    own[:, :8] = 1
    right = np.ones((2, 10), np.float32)  # a gain of 0.2
    several = trusted_share(own, right, shares, 0.0)
    assert several > 0.7
    assert trusted_share(own, right, shares, 0.0, single=True) < several - 0.1
    own[:, 8] = 1  # half of that gain is no more than parts owe to their likeness
    assert trusted_share(own, right, shares, 0.0) > 0.5
    assert trusted_share(own, right, shares, 0.0, single=True) == 0


@pytest.mark.parametrize(("least_gain", "used"), [(0.01, True), (0.05, False)])
def test_less_than_the_least_gain_is_not_sure(least_gain: float, used: bool) -> None:
    shares = np.ones((4, 50), np.float32)
    own = np.ones((4, 50), np.float32)
    own[:, 0] = -1  # a gain of 0.02 for each support
    share = trusted_share(own, np.ones_like(own), shares, 0.0, least_gain=least_gain)
    assert (share > 0) is used


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_is_too_small_to_be_sampled_is_left_to_the_network(count: int) -> None:
    scenes = []
    for seed in range(count):
        pixels, mask = _scene(seed, told=False, side=4 * SIDE)  # of which an eighth is sampled
        mask = np.zeros_like(mask)
        mask[30 + seed, 30] = 1
        pixels[mask > 0] = (255, 0, 0)
        scenes.append((pixels, mask))
    assert _chosen(*scenes) is None


def test_the_order_of_supports_leaves_no_trace() -> None:
    scenes = [_scene(seed) for seed in range(4)]
    first, turned = _chosen(*scenes), _chosen(*scenes[::-1])
    assert first is not None
    assert turned is not None
    np.testing.assert_array_equal(first.packed(), turned.packed())


def test_objects_are_told_without_the_supports_of_the_image_itself() -> None:
    # Each in a colour that no other has: by heart it would be known, by the others it is not.
    scenes = []
    for seed, hue in enumerate(((120, 0, 0), (0, 120, 0), (0, 0, 120))):
        pixels, mask = _scene(seed, told=False)
        painted = pixels + (mask[..., None] > 0) * np.array(hue)
        scenes.append((painted.clip(0, 255).astype(np.uint8), mask))
    assert _chosen(*scenes) is None


def test_it_is_kept_as_so_many_numbers() -> None:
    numbers = np.random.default_rng(0).normal(0, 1, PIXEL_CLASSIFIER_SIZE).astype(np.float32)
    again = PixelClassifier.unpacked(numbers)
    np.testing.assert_array_equal(again.packed(), numbers)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_greatest_numbers_that_an_archive_may_hold_give_finite_logits(sign: int) -> None:
    numbers = np.full(PIXEL_CLASSIFIER_SIZE, sign * 1e6, np.float32)
    pixels, mask = _scene(0)
    assert np.isfinite(correct(100 * _answer(mask), numbers, PixelColours(pixels))).all()


@pytest.mark.parametrize("side", [33, 64])
def test_an_image_of_one_colour_gives_what_is_finite(side: int) -> None:
    masks = [np.zeros((side, side), np.float32) for _ in range(2)]
    masks[0][:9], masks[1][9:] = 1, 1
    grey = [np.full((side, side, 3), level, np.uint8) for level in (128, 129)]
    supports = SupportImages.of(grey, masks, (SHOT, SHOT))
    answers = np.stack([_answer(mask) for mask in masks])
    classifier = choose_pixel_classifier(supports, answers, threshold=0.5)
    if classifier is not None:
        assert np.isfinite(correct(answers[0], classifier.packed(), PixelColours(grey[0]))).all()
    made = PixelClassifier.unpacked(np.ones(PIXEL_CLASSIFIER_SIZE, np.float32))
    corrected = correct(answers[0], made.packed(), PixelColours(grey[0]))
    assert corrected.shape == (-(-side // 2),) * 2
    assert np.isfinite(corrected).all()


def test_a_correction_does_not_depend_on_the_threads_of_blas() -> None:
    classifier = _chosen(*map(_scene, range(3)))
    assert classifier is not None
    pixels, mask = _scene(9)
    with threadpool_limits(1, user_api="blas"):
        alone = correct(_answer(mask), classifier.packed(), PixelColours(pixels))
    with threadpool_limits(2, user_api="blas"):
        np.testing.assert_array_equal(
            correct(_answer(mask), classifier.packed(), PixelColours(pixels)), alone
        )


@pytest.mark.parametrize("side", [129, 257])  # odd, of more pixels than a block has
def test_every_pixel_is_corrected_by_the_products_of_its_own_features(side: int) -> None:
    rng = np.random.default_rng(side)
    noise = rng.integers(0, 256, (side, side, 3), np.uint8)
    pixels = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)
    answer = rng.normal(0, 2, (CELLS, CELLS)).astype(np.float32)
    numbers = rng.normal(0, 0.1, PIXEL_CLASSIFIER_SIZE).astype(np.float32)
    classifier = PixelClassifier.unpacked(numbers)._replace(share=0.5)
    corrected = correct(answer, classifier.packed(), PixelColours(pixels))
    features = pixel_features(answer, PixelColours(pixels))
    for row, column in [(0, 0), (5, 40), (side // 4, side // 4), (-1, -1)]:
        own = features[:, row, column]
        standard = np.clip((own - classifier.mean) * classifier.scale, -4, 4)
        products = np.outer([*standard, 1], [*standard, 1])[np.triu_indices(PIXEL_FEATURES + 1)]
        expected = (own[0] + np.clip(products @ classifier.weights, -6, 6)) / 2
        assert corrected[row, column] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("side", [256, 257, 337])
def test_noise_is_as_rough_in_the_middle_as_elsewhere(side: int) -> None:
    noise = np.random.default_rng(0).normal(128, 30, (side, side, 3)).clip(0, 255).astype(np.uint8)
    contrast = PixelColours(noise).planes[-1]
    rows = contrast[8:-8].mean(axis=1)
    assert rows.min() > 0.7 * rows.mean()
    assert rows.max() < 1.4 * rows.mean()


def test_colours_are_computed_once_for_the_classes_of_a_block_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reduced: list[int] = []

    def counted(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
        reduced.append(side)
        return resize_image(image, side)

    monkeypatch.setattr(pixel_classifier, "resize_image", counted)
    colours = PixelColours(_scene(0)[0])
    with colours.kept():
        kept = colours.planes
        assert colours.planes is kept
        assert len(reduced) == 1
    np.testing.assert_array_equal(colours.planes, kept)
    np.testing.assert_array_equal(colours.planes, kept)
    assert len(reduced) == 3


RED, RED_AROUND, RED_FAR_AROUND, CONTRAST = 1, 4, 7, 10  # positions among the features


def _linear(
    weights: dict[int, float], *, share: float = 1.0, scale: float = 1.0
) -> PixelClassifier:
    """Of these features alone, each less one, times a scale."""
    products = np.zeros((PIXEL_FEATURES + 1, PIXEL_FEATURES + 1), np.float32)
    for feature, weight in weights.items():
        products[feature, -1] = weight
    every = np.ones(PIXEL_FEATURES, np.float32)
    packed = products[np.triu_indices(PIXEL_FEATURES + 1)]
    return PixelClassifier(share, every, scale * every, packed)


def _answered(
    classifier: PixelClassifier, pixels: NDArray[np.uint8], *, own: float = 0.0
) -> NDArray[np.float32]:
    return correct(
        np.full((CELLS, CELLS), own, np.float32), classifier.packed(), PixelColours(pixels)
    )


@pytest.mark.parametrize(("level", "deviations"), [(0, -4), (64, -4), (192, 4), (255, 4)])
def test_a_colour_counts_as_no_further_than_four_deviations_from_the_mean(
    level: int, deviations: float
) -> None:
    plain = np.full((SIDE, SIDE, 3), level, np.uint8)
    np.testing.assert_allclose(_answered(_linear({RED: 1}, scale=100), plain), deviations)


@pytest.mark.parametrize(("level", "bound"), [(0, -6), (255, 6)])
def test_colours_alone_make_no_pixel_surer_than_a_bound(level: int, bound: float) -> None:
    plain = np.full((SIDE, SIDE, 3), level, np.uint8)
    np.testing.assert_allclose(_answered(_linear({RED: 100}), plain), bound)
    # The network's own logit has none.
    half = _linear({RED: 100}, share=0.5)
    np.testing.assert_allclose(_answered(half, plain, own=20), (20 + bound) / 2)


def test_what_is_rough_is_told_from_what_is_flat_by_its_contrast() -> None:
    rows, columns = np.indices((SIDE, SIDE))
    pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
    rough = (columns >= SIDE // 2) & ((rows // 2 + columns // 2) % 2 == 0)
    pixels[rough], pixels[~rough & (columns >= SIDE // 2)] = 168, 88
    found = _answered(_linear({CONTRAST: 1}), pixels)
    assert found[:, :10].max() < -0.99  # of contrast 0
    assert found[:, 22:].min() > -0.8


def test_contrast_is_that_of_all_colours() -> None:
    pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
    rows, columns = np.indices((SIDE, SIDE))
    pixels[(rows // 2 + columns // 2) % 2 == 0, 2] = 28  # blue alone is rough
    assert PixelColours(pixels).planes[-1].mean() > 0.05


@pytest.mark.parametrize(
    ("finer", "coarser"), [(RED, RED_AROUND), (RED_AROUND, RED_FAR_AROUND), (RED, RED_FAR_AROUND)]
)
def test_a_spot_is_told_from_an_area_by_what_is_around_it(finer: int, coarser: int) -> None:
    pixels = np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8)
    pixels[92:100, 92:100] = 255  # a spot of four pixels at half the side
    pixels[:, :48] = 255  # an area, which is its own surroundings
    found = _answered(_linear({finer: 1, coarser: -1}), pixels)
    assert found[47, 47] > 0.1
    assert abs(found[32, 2]) < 0.05
