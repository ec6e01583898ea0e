"""From a stage to an array: many jittered passes, averaged and freed of sampling noise."""

from typing import NamedTuple

import cv2
import numpy as np

from tests.studio.camera import Camera
from tests.studio.stage import Stage
from tests.studio.tracer import FirstHit, trace
from tests.studio.vectors import Bool, Float

_TILE_ROWS = 100
_FURTHEST = 60.0


class Plate(NamedTuple):
    """A finished exposure: linear light (H, W, 3) and, by class, where it covers half a pixel."""

    light: Float
    masks: dict[str, Bool]


class _Layers(NamedTuple):
    """Averages over all passes, all (H, W, ...)."""

    light: Float
    normal: Float
    albedo: Float
    distance: Float


def expose(
    stage: Stage, camera: Camera, shape: tuple[int, int], *, passes: int, seed: int
) -> Plate:
    """Photograph a stage at `shape` (height, width) with `passes` rays a pixel."""
    layers = _Layers(*(np.zeros((*shape, depth), np.float32) for depth in (3, 3, 3, 1)))
    labels = sorted({prop.label for prop in stage.props if prop.label})
    covered = {label: np.zeros(shape, np.float32) for label in labels}
    for top in range(0, shape[0], _TILE_ROWS):
        rows = slice(top, min(top + _TILE_ROWS, shape[0]))
        random = np.random.default_rng((seed, top))
        for sample in range(passes):
            light, first = _pass(stage, camera, shape, rows, (sample, passes), random)
            _add(layers, rows, light, first)
            for label in labels:
                covered[label][rows] += _labelled(stage, first, label).reshape(-1, shape[1])
    averages = _Layers(*(layer / passes for layer in layers))
    masks = {label: share >= 0.5 * passes for label, share in covered.items()}
    return Plate(_smoothed(averages), masks)


def _pass(
    stage: Stage,
    camera: Camera,
    shape: tuple[int, int],
    rows: slice,
    sample: tuple[int, int],
    random: np.random.Generator,
) -> tuple[Float, FirstHit]:
    """One ray for each pixel of a tile, at the sample's own place of the R2 sequence."""
    y, x = np.mgrid[rows, 0 : shape[1]].astype(np.float32)
    jitter_y = (0.5 + sample[0] * 0.5698402909980532) % 1
    jitter_x = (0.5 + sample[0] * 0.7548776662466927) % 1
    rays = camera.rays(y.ravel() + jitter_y, x.ravel() + jitter_x, shape, random)
    return trace(stage, rays, random)


def _add(layers: _Layers, rows: slice, light: Float, first: FirstHit) -> None:
    width = layers.light.shape[1]
    distance = np.minimum(first.distance, _FURTHEST)[None]
    for layer, values in zip(layers, (light, first.normal, first.albedo, distance), strict=True):
        layer[rows] += values.T.reshape(-1, width, len(values))


def _labelled(stage: Stage, first: FirstHit, label: str) -> Bool:
    of_label = [index for index, prop in enumerate(stage.props) if prop.label == label]
    return np.isin(first.prop, of_label) & first.marked


def _smoothed(layers: _Layers) -> Float:
    """Light without sampling noise: an edge-stopping a-trous filter (Dammertz 2010).

    Light is divided by albedo first, so that textures pass through untouched.
    """
    colour = np.maximum(layers.albedo, 0.03)
    shade = _despeckled(layers.light / colour)
    for stride, tolerance in ((1, 0.6), (2, 0.4), (4, 0.25)):
        shade = _a_trous(shade, layers, stride, tolerance)
    return np.asarray(shade * colour, np.float32)


def _despeckled(shade: Float) -> Float:
    """Lone bright pixels, left by single lucky paths, brought down to their neighbourhood."""
    tone = shade.mean(axis=2)
    ceiling = 1.3 * cv2.medianBlur(tone, 3) + 0.02
    return np.asarray(shade * np.minimum(1, ceiling / np.maximum(tone, 1e-6))[..., None])


def _a_trous(shade: Float, layers: _Layers, stride: int, tolerance: float) -> Float:
    # Noise must not guide its own removal, so tone is compared after a slight blur.
    tone = cv2.GaussianBlur(np.log1p(shade.mean(axis=2)), (0, 0), 1.2)
    guide = np.concatenate(
        [
            layers.normal * 5.0,
            layers.albedo * 6.0,
            np.log(np.maximum(layers.distance, 0.1)) * 14.0,
            tone[..., None] * (2.2 / tolerance),
        ],
        axis=2,
    )
    total, weights = shade.copy(), np.ones((*shade.shape[:2], 1), np.float32)
    for dy in (-2, -1, 0, 1, 2):
        for dx in (-2, -1, 0, 1, 2):
            if dy == dx == 0:
                continue
            shift = (-dy * stride, -dx * stride)
            other = np.roll(guide, shift, (0, 1)) - guide
            reach = float(np.exp(-(dy * dy + dx * dx) / 4))
            weight = reach * np.exp(-np.square(other).sum(axis=2, keepdims=True))
            total += np.roll(shade, shift, (0, 1)) * weight
            weights += weight
    return np.asarray(total / weights)
