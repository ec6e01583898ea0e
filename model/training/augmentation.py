"""Augmentation of a batch on its device: one warp, colour and blur for each image.

It serves recipes without a cache; cached views are made by `model.data.augment`, one by one, before
training.

Every number is drawn on the CPU from the seed of its image, so that a batch is the same whatever
the device, the prefetching and the number of processes.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model.data import augment_ranges as ranges
from model.data.datasets import IGNORE
from model.data.sampler import DrawnImage

_BLUR_RADIUS = 4  # pixels; three times the widest sigma
_NO_BLUR = 1e-3  # a sigma so small that pixels stay as they are
_REACH = 0.98  # of a window's half-size: how far from its centre it holds some of an object


class Augmentation(NamedTuple):
    """Strength of the augmentation.

    rotation: degrees to either side.
    blur: chance of a Gaussian blur.
    min_scale: smallest share of the image that a crop keeps; 1 crops nothing.
    colour: strength of changes in saturation, contrast, brightness and white balance, 0 to 1.
    """

    rotation: float
    blur: float
    min_scale: float
    colour: float


class AugmentationParams(NamedTuple):
    """The augmentation of M images; (M,) each, `balance` (M, 3).

    angle: radians.
    height, width: of the crop, as shares of the side.
    anchor: the object pixel that the crop holds for sure, as the share of object pixels before it.
    place_y, place_x: of the anchor in the crop, as shares of its height and width, as far as the
        crop stays in the image with it.
    flip: 1 or -1.
    sigma: of the blur, pixels.
    saturation, contrast, balance: factors.
    brightness: added, of 255.
    """

    angle: Tensor
    height: Tensor
    width: Tensor
    anchor: Tensor
    place_y: Tensor
    place_x: Tensor
    flip: Tensor
    sigma: Tensor
    saturation: Tensor
    contrast: Tensor
    brightness: Tensor
    balance: Tensor


def draw_params(images: Sequence[DrawnImage], augmentation: Augmentation) -> NDArray[np.float32]:
    """The columns of `AugmentationParams` for each image, (M, 14)."""
    return np.asarray([_draw(image, augmentation) for image in images], np.float32)


def _draw(image: DrawnImage, augmentation: Augmentation) -> list[float]:
    rng = np.random.default_rng(image.seed)
    colour, turn = augmentation.colour, math.radians(augmentation.rotation)
    crops = augmentation.min_scale < 1
    angle = rng.uniform(-turn, turn)
    scale = math.sqrt(rng.uniform(augmentation.min_scale, 1.0))
    aspect = math.exp(rng.uniform(-ranges.LOG_ASPECT, ranges.LOG_ASPECT)) if crops else 1.0
    window = [min(1.0, scale * aspect), min(1.0, scale / aspect)]
    place = [rng.random(), rng.uniform(*ranges.ANCHOR), rng.uniform(*ranges.ANCHOR)]
    sigma = rng.uniform(*ranges.BLUR_SIGMA) if rng.random() < augmentation.blur else _NO_BLUR
    grey = rng.random() < ranges.GREY_CHANCE * colour
    saturation = 0.0 if grey else 1 + colour * rng.uniform(-ranges.SATURATION, ranges.SATURATION)
    contrast = 1 + colour * rng.uniform(-ranges.CONTRAST, ranges.CONTRAST)
    brightness = colour * rng.uniform(-ranges.BRIGHTNESS, ranges.BRIGHTNESS)
    balance = 1 + colour * rng.uniform(-ranges.BALANCE, ranges.BALANCE, size=3)
    return [angle, *window, *place, image.flip, sigma, saturation, contrast, brightness, *balance]


@torch.no_grad()
def augment(pixels: Tensor, labels: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Warp images and labels alike; recolour and blur the images.

    Args:
        pixels: (M, S, S, 3) uint8.
        labels: (M, S, S) uint8; 1 class, 0 other, 255 ignore.
        drawn: (M, 14) of `draw_params`, on the same device.

    Returns:
        Images (M, 3, S, S) in 0-255, not rounded, and labels (M, S, S), 255 outside the image.
    """
    params = AugmentationParams._make((*drawn[:, :11].unbind(dim=1), drawn[:, 11:]))
    # Eight bits of bf16 are too few for pixel coordinates and colours.
    with torch.autocast(pixels.device.type, enabled=False):
        images = pixels.permute(0, 3, 1, 2).float()
        grid = F.affine_grid(_warps(labels, params), list(images.shape), align_corners=False)
        images = F.grid_sample(
            images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )
        # The padding is zero, so ignored pixels have to be.
        shifted = labels[:, None].float() - IGNORE
        turned = F.grid_sample(
            shifted, grid, mode="nearest", padding_mode="zeros", align_corners=False
        )
        images = _blur(_recolour(images, params), params.sigma).clamp(0, 255)
    return images, (turned[:, 0] + IGNORE).round().to(torch.uint8)


def _warps(labels: Tensor, params: AugmentationParams) -> Tensor:
    """Matrices (M, 2, 3) from output to input places, both in [-1, 1]: crop, then rotation.

    A crop leaves the image where rotation takes its anchor out.
    """
    cos, sin = params.angle.cos(), params.angle.sin()
    y, x = _anchors(labels, params.anchor)
    y, x = cos * y - sin * x, sin * y + cos * x  # where the rotation puts the anchor
    # Without rotation each anchor is in the image, and so is each crop, to the last pixel.
    reach = torch.where(params.angle == 0, 1.0, _REACH)
    centre_y = _window_centre(y, params.height, params.place_y, reach)
    centre_x = _window_centre(x, params.width, params.place_x, reach)
    step_y, step_x = params.height, params.width * params.flip
    row_x = torch.stack([cos * step_x, -sin * step_y, cos * centre_x - sin * centre_y], dim=1)
    row_y = torch.stack([sin * step_x, cos * step_y, sin * centre_x + cos * centre_y], dim=1)
    return torch.stack([row_x, row_y], dim=1)


def _anchors(labels: Tensor, anchor: Tensor) -> tuple[Tensor, Tensor]:
    """Places (M,) in [-1, 1], y and x, of a pixel of each object; 0 without an object."""
    side = labels.shape[-1]
    before = (labels == 1).flatten(1).cumsum(dim=1)
    total = before[:, -1]
    chosen = (anchor * total).long().clamp(max=total - 1) + 1
    index = torch.searchsorted(before, chosen[:, None])[:, 0]
    shown = total > 0
    y, x = ((2 * part.float() + 1) / side - 1 for part in (index // side, index % side))
    return torch.where(shown, y, 0.0), torch.where(shown, x, 0.0)


def _window_centre(anchor: Tensor, size: Tensor, place: Tensor, reach: Tensor) -> Tensor:
    """Centre of a window of half-size `size` that has `anchor` at its `place`.

    It is moved into [-1, 1], and then back until `anchor` is at most `reach` of `size` away.
    """
    centre = anchor - (2 * place - 1) * size
    centre = torch.maximum(torch.minimum(centre, 1 - size), size - 1)
    return torch.maximum(torch.minimum(centre, anchor + reach * size), anchor - reach * size)


def _recolour(images: Tensor, params: AugmentationParams) -> Tensor:
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * _each(params.saturation)
    images = (images - 128) * _each(params.contrast) + 128 + _each(params.brightness)
    return images * params.balance[:, :, None, None]


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of each image by a sigma of its own, one axis after the other."""
    count, channels, height, width = images.shape
    offsets = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, device=images.device)
    kernel = (-(offsets**2) / (2 * sigma[:, None] ** 2)).softmax(dim=1)
    kernels = kernel.repeat_interleave(channels, dim=0)  # (M * 3, taps)
    planes = images.reshape(1, count * channels, height, width)
    pad = _BLUR_RADIUS
    planes = F.pad(planes, (pad, pad, pad, pad), mode="reflect")
    planes = F.conv2d(planes, kernels[:, None, :, None], groups=count * channels)
    planes = F.conv2d(planes, kernels[:, None, None, :], groups=count * channels)
    return planes.view(images.shape)


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]
