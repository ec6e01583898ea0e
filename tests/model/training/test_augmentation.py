"""Augmentation of a batch: each image by its own seed, images and labels alike."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model.data.sampler import DrawnImage
from model.training.augmentation import Augmentation, AugmentationParams, augment, draw_params

SIDE = 48
NONE = Augmentation(rotation=0, blur=0, min_scale=1, colour=0)
ALL = Augmentation(rotation=10, blur=1, min_scale=0.35, colour=1)


def _drawn(count: int, *, flip: int = 1) -> list[DrawnImage]:
    return [DrawnImage(0, 0, flip, 1, seed) for seed in range(count)]


def _batch(count: int) -> tuple[Tensor, Tensor]:
    """Red where the label is 1, a block off the centre; blue elsewhere."""
    labels = torch.zeros(count, SIDE, SIDE, dtype=torch.uint8)
    labels[:, 6:18, 4:14] = 1
    pixels = torch.zeros(count, SIDE, SIDE, 3, dtype=torch.uint8)
    pixels[..., 0] = 200 * (labels == 1)
    pixels[..., 2] = 200 * (labels == 0)
    return pixels, labels


def _augment(images: list[DrawnImage], how: Augmentation) -> tuple[Tensor, Tensor]:
    return augment(*_batch(len(images)), torch.from_numpy(draw_params(images, how)))


def test_without_changes_pixels_and_labels_stay() -> None:
    pixels, labels = _batch(2)
    images, changed = _augment(_drawn(2), NONE)
    torch.testing.assert_close(images.permute(0, 2, 3, 1), pixels.float(), atol=0.05, rtol=0)
    assert torch.equal(changed, labels)


def test_a_flip_mirrors_both() -> None:
    pixels, labels = _batch(1)
    images, changed = _augment(_drawn(1, flip=-1), NONE)
    assert torch.equal(changed, labels.flip(2))
    torch.testing.assert_close(images[0, 0], pixels[0, ..., 0].flip(1).float(), atol=0.05, rtol=0)


def test_labels_move_with_the_pixels_and_end_at_the_border() -> None:
    images, labels = _augment(_drawn(24), ALL._replace(blur=0, colour=0))
    seen = labels != 255
    agrees = (images[:, 0] > images[:, 2]) == (labels == 1)
    assert agrees[seen].float().mean() > 0.98
    assert (labels == 1).flatten(1).any(dim=1).all()  # a crop holds some of the object
    assert not seen.all()  # rotation brings in what lies outside
    assert set(np.unique(labels.numpy())) == {0, 1, 255}


def _cornered(side: int, count: int, size: int) -> tuple[Tensor, Tensor]:
    """Grey images, each with an object in one of the four corners in turn."""
    labels = torch.zeros(count, side, side, dtype=torch.uint8)
    ends = (slice(size), slice(side - size, side))
    for number in range(count):
        labels[number, ends[number % 2], ends[number // 2 % 2]] = 1
    return torch.full((count, side, side, 3), 128, dtype=torch.uint8), labels


@pytest.mark.parametrize("min_scale", [1, 0.35])
@pytest.mark.parametrize("rotation", [10, 45, 180])
@pytest.mark.parametrize("side", [SIDE, 257])
def test_rotation_loses_no_object_of_a_corner(side: int, rotation: float, min_scale: float) -> None:
    how = NONE._replace(rotation=rotation, min_scale=min_scale)
    kept = []
    for first in range(0, 240, 40):
        images = [DrawnImage(0, 0, 1, 1, seed) for seed in range(first, first + 40)]
        drawn = torch.from_numpy(draw_params(images, how))
        _, labels = augment(*_cornered(side, len(images), 8), drawn)
        kept += (labels == 1).flatten(1).sum(dim=1).tolist()
    assert min(kept) > 0


def test_without_rotation_a_crop_stays_in_the_image() -> None:
    pixels, labels = _cornered(SIDE, 60, 1)
    for how in (NONE, NONE._replace(min_scale=0.35)):
        _, changed = augment(pixels, labels, torch.from_numpy(draw_params(_drawn(60), how)))
        assert (changed != 255).all()
        assert (changed == 1).flatten(1).any(dim=1).all()
        assert how != NONE or torch.equal(changed, labels)


def test_rotation_stays_within_its_bound() -> None:
    params = draw_params(_drawn(200), ALL)
    angles = np.degrees(params[:, AugmentationParams._fields.index("angle")])
    assert 9 < np.abs(angles).max() <= 10
    assert angles.min() < 0 < angles.max()


def test_an_image_is_changed_by_its_seed_alone_whatever_stands_beside_it() -> None:
    together, labels = _augment(_drawn(6), ALL)
    alone, label = _augment(_drawn(6)[4:5], ALL)
    torch.testing.assert_close(together[4:5], alone, atol=1e-3, rtol=0)
    assert torch.equal(labels[4:5], label)
    assert not torch.allclose(together[3], together[4])


def test_blur_softens_an_edge_and_keeps_the_brightness() -> None:
    sharp, _ = _augment(_drawn(1), NONE)
    soft, _ = _augment(_drawn(1), NONE._replace(blur=1))
    step = sharp[0, 0].diff(dim=1).abs().max()
    assert soft[0, 0].diff(dim=1).abs().max() < 0.9 * step
    assert float(soft.mean()) == pytest.approx(float(sharp.mean()), rel=0.01)


def test_an_image_without_the_object_is_cropped_about_its_centre() -> None:
    pixels, labels = _batch(1)
    params = torch.from_numpy(draw_params(_drawn(1), ALL))
    images, changed = augment(pixels, torch.zeros_like(labels), params)
    assert torch.isfinite(images).all()
    assert set(np.unique(changed.numpy())) <= {0, 255}
