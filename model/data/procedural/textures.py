"""Hard and plain materials, each an image float32 (side, side, 3) in about [0, 1]."""

import colorsys
import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.procedural.noise import (
    Field,
    Image,
    displace,
    fractal_noise,
    grain,
    log_uniform,
    relief,
    smooth_noise,
    streaks,
    uniform,
)

Texture = Callable[[np.random.Generator, int], Image]


def random_colour(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> NDArray[np.float32]:
    """An RGB colour (3,) of any hue within the given ranges of HSV."""
    low, high = saturation
    dull = low + (high - low) * rng.random() ** 2  # industrial goods are mostly grey
    return np.array(colorsys.hsv_to_rgb(rng.random(), dull, uniform(rng, *value)), np.float32)


def tint(luma: Field, colour: NDArray[np.float32], contrast: float) -> Image:
    """Colour a brightness field; `contrast` scales it in natural logarithms."""
    gain = np.exp(luma * np.float32(contrast), dtype=np.float32)
    return np.asarray(colour * gain[..., None], np.float32)


def phases(rng: np.random.Generator, side: int, wobble: float) -> tuple[Field, Field]:
    """Coordinates (y, x) in pixels, wandering as hand-laid rows do."""
    axis = np.arange(side, dtype=np.float32)
    y = axis[:, None] + smooth_noise(rng, side, side / 4) * np.float32(wobble)
    x = axis[None, :] + smooth_noise(rng, side, side / 4) * np.float32(wobble)
    return y, x


def brushed_metal(rng: np.random.Generator, side: int) -> Image:
    """Long fine streaks with a soft sheen."""
    fine = streaks(rng, side, side * uniform(rng, 0.1, 0.5))
    luma = (
        fine * 0.6 + streaks(rng, side, side, 2.0) * 0.5 + smooth_noise(rng, side, side / 2) * 0.8
    )
    return tint(luma, random_colour(rng, (0.0, 0.15), (0.35, 0.75)), uniform(rng, 0.06, 0.2))


def cast_metal(rng: np.random.Generator, side: int) -> Image:
    """A rough granular skin, lit from one side."""
    height = fractal_noise(rng, side, uniform(rng, 8, 24), 4, 0.7)
    luma = relief(height, uniform(rng, 0, 6.3)) * 4 + grain(rng, side) * 0.3
    return tint(luma, random_colour(rng, (0.0, 0.2), (0.2, 0.6)), uniform(rng, 0.15, 0.35))


def wood(rng: np.random.Generator, side: int) -> Image:
    """Warped growth rings and drawn-out pores."""
    y = np.arange(side, dtype=np.float32)[:, None] / uniform(rng, 6, 22)
    warp = cv2.resize(fractal_noise(rng, side, side / 2, 3), (side * 3, side))[:, :side]
    rings = np.sin(2 * np.pi * (y * 0.5 + warp * uniform(rng, 0.4, 2.0)))
    luma = rings * 0.5 + streaks(rng, side, side * 0.15) * 0.4 + streaks(rng, side, side, 3) * 0.3
    hue = uniform(rng, 0.05, 0.11)
    colour = colorsys.hsv_to_rgb(hue, uniform(rng, 0.2, 0.7), uniform(rng, 0.35, 0.85))
    return tint(luma.astype(np.float32), np.array(colour, np.float32), uniform(rng, 0.08, 0.22))


def concrete(rng: np.random.Generator, side: int) -> Image:
    """Cloudy grey with sand and pores."""
    clouds = fractal_noise(rng, side, side / 4, 5, 0.65)
    pores = np.minimum(grain(rng, side, uniform(rng, 0.8, 1.6)) + 2.6, 0) * 2
    luma = clouds * 0.7 + grain(rng, side) * 0.4 + pores
    return tint(luma, random_colour(rng, (0.0, 0.2), (0.4, 0.8)), uniform(rng, 0.08, 0.2))


def tile(rng: np.random.Generator, side: int) -> Image:
    """Tiles of slightly different tone in grout."""
    pitch, joint = side * uniform(rng, 0.14, 0.5), uniform(rng, 2, 6)
    y, x = phases(rng, side, 0.3)
    row = (y / pitch).astype(np.int32)
    shift = pitch * 0.5 * (row & 1).astype(np.float32) if rng.random() < 0.4 else 0.0
    across = (x + shift) / pitch
    column = across.astype(np.int32)
    tone = rng.standard_normal((16, 16), dtype=np.float32)[row & 15, column & 15]
    edge = np.minimum(y - row * pitch, (across - column) * pitch)
    grout = np.clip(joint - edge, 0, 1).astype(np.float32)[..., None]
    glaze = tone * 0.5 + fractal_noise(rng, side, side / 6, 3) * 0.5
    face = tint(glaze, random_colour(rng, (0.0, 0.5), (0.35, 0.95)), uniform(rng, 0.03, 0.15))
    filler = random_colour(rng, (0.0, 0.15), (0.2, 0.8)) * (1 + grain(rng, side)[..., None] * 0.06)
    return np.asarray(face * (1 - grout) + filler * grout, np.float32)


def printed_board(rng: np.random.Generator, side: int) -> Image:
    """Tracks, pads and vias on a solder mask."""
    board = np.full((side, side, 3), random_colour(rng, (0.4, 0.95), (0.15, 0.5)), np.float32)
    track = board[0, 0] * np.float32(uniform(rng, 1.25, 1.7))
    pad = np.array([0.85, 0.78, 0.6], np.float32) * np.float32(uniform(rng, 0.7, 1.1))
    steps = np.array([[1, 0], [0, 1], [1, 1], [1, -1], [-1, 0], [0, -1]])
    for _ in range(int(rng.integers(10, 28))):
        walk = steps[rng.integers(0, 6, 4)] * rng.integers(side // 16, side // 4, (4, 1))
        points = rng.integers(0, side, 2) + np.vstack([[0, 0], np.cumsum(walk, axis=0)])
        width = int(rng.integers(2, 6))
        cv2.polylines(board, [points.astype(np.int32)], False, track.tolist(), width, cv2.LINE_AA)
        for x, y in points[[0, -1]].tolist():
            cv2.circle(board, (x, y), width + 3, pad.tolist(), -1, cv2.LINE_AA)
            cv2.circle(board, (x, y), max(1, width - 2), (0.05, 0.05, 0.05), -1, cv2.LINE_AA)
    return np.asarray(board * (1 + grain(rng, side, 0.6)[..., None] * 0.03), np.float32)


def glass(rng: np.random.Generator, side: int) -> Image:
    """A clear pane: a gradient between two tones and faint reflections."""
    angle, axis = uniform(rng, 0, 6.3), np.linspace(-0.5, 0.5, side, dtype=np.float32)
    ramp = axis[None, :] * math.cos(angle) + axis[:, None] * math.sin(angle) + 0.5
    near, far = (random_colour(rng, (0.0, 0.4), (0.3, 0.95)) for _ in range(2))
    pane = near + (far - near) * np.asarray(ramp, np.float32)[..., None]
    gleam = np.clip(smooth_noise(rng, side, side / 3), 0, 2)[..., None] * uniform(rng, 0.0, 0.12)
    return np.asarray(pane + gleam, np.float32)


def powder(rng: np.random.Generator, side: int) -> Image:
    """Loose grains of several tones."""
    grains = grain(rng, side, uniform(rng, 0.6, 1.5)) * 0.8 + fractal_noise(rng, side, 30, 3) * 0.4
    luma = grains + relief(grains, uniform(rng, 0, 6.3)) * 1.5
    return tint(luma, random_colour(rng, (0.0, 0.6), (0.4, 0.9)), uniform(rng, 0.08, 0.25))


def paper(rng: np.random.Generator, side: int) -> Image:
    """Pale fibrous stock, at times crumpled."""
    fibres = displace(streaks(rng, side, 20), *(smooth_noise(rng, side, 30) * 12 for _ in range(2)))
    crumple = relief(fractal_noise(rng, side, side / 3, 3), uniform(rng, 0, 6.3)) * 12
    luma = fibres * 0.4 + crumple * uniform(rng, 0, 1) + grain(rng, side) * 0.2
    return tint(luma, random_colour(rng, (0.0, 0.25), (0.6, 0.98)), log_uniform(rng, 0.02, 0.08))
