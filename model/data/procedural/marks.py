"""Flat defects: marks, breaks and faults drawn on or worn into a surface.

Each paints itself and reports its coverage. `light` is the direction of light in radians, `scale`
the share of the image to cover.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.procedural import shapes
from model.data.procedural.lighting import lit_edge, mean_colour, patch_radius, shadow
from model.data.procedural.noise import (
    Image,
    Painted,
    blend,
    displace,
    fractal_noise,
    smooth_noise,
    streaks,
    uniform,
)
from model.data.procedural.textures import random_colour


def scratch(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """Bright tapered lines, nearly parallel."""
    side, count = len(image), int(rng.integers(1, 6))
    width = max(1.0, side / 337 * uniform(rng, 1.0, 2.6))
    length = float(np.clip(scale * side**2 / (width * count), side * 0.12, side * 1.1))
    coverage = shapes.strokes(rng, side, length, width, count, curl=0.012)
    bright = mean_colour(image) * 0.5 + uniform(rng, 0.4, 0.6)
    depth = 0.75 + 0.25 * np.clip(smooth_noise(rng, side, 20), -1, 1)
    painted = blend(image, bright, coverage * depth * np.float32(uniform(rng, 0.55, 1)))
    return painted - lit_edge(coverage, light, 0.8)[..., None] * 0.5, coverage


def crack(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """A dark forking line."""
    side = len(image)
    width = max(1.0, side / 337 * uniform(rng, 1.4, 4.0))
    coverage = shapes.branches(
        rng, side, float(np.clip(scale * side**2 / width, side * 0.25, side * 1.3)), width
    )
    dark = image * np.float32(uniform(rng, 0.1, 0.4))
    return blend(image, dark, coverage) + lit_edge(coverage, light, 0.9)[..., None] * 0.25, coverage


def stain(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """Brown translucent patches with a darker rim, as a liquid dries."""
    side, count = len(image), int(rng.integers(1, 4))
    radius = patch_radius(side, scale, count)
    coverage = shapes.blobs(rng, side, radius, count)
    inner = cv2.GaussianBlur(coverage, (0, 0), max(1.0, radius * 0.15))
    rim = np.clip(1 - np.abs(inner - 0.6) * 3, 0, 1) * coverage
    density = inner * (0.75 + 0.2 * fractal_noise(rng, side, radius, 3)) + rim * 0.6
    absorbed = (1 - np.array([0.95, 0.75, 0.45], np.float32)) * np.float32(uniform(rng, 0.9, 2.0))
    painted = image * np.exp(-np.clip(density, 0, 2)[..., None] * (absorbed + 0.2))
    return np.asarray(painted, np.float32), coverage


def weave_fault(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """A band of slack, floating threads."""
    side = len(image)
    length = side * uniform(rng, 0.25, 0.9)
    width = float(np.clip(scale * side**2 / length, 3.0, side * 0.12))
    coverage = shapes.ragged(rng, shapes.strokes(rng, side, length, width, 1, curl=0.003), 12, 1.5)
    pull = cv2.GaussianBlur(coverage, (0, 0), max(1.5, width * 0.25)) * np.float32(width * 0.8)
    loose = displace(image, pull * smooth_noise(rng, side, 8), pull * smooth_noise(rng, side, 8))
    floats = np.exp(streaks(rng, side, 9) * 0.18)[..., None] * np.float32(uniform(rng, 1.1, 1.4))
    slack = cv2.GaussianBlur(loose, (0, 0), 1.3) * floats
    return blend(image, slack, coverage) - lit_edge(coverage, light, 1.2)[..., None] * 0.3, coverage


def fibre(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """Curly coloured threads that lie on top."""
    side, count = len(image), int(rng.integers(1, 4))
    width = max(1.0, side / 337 * uniform(rng, 1.0, 2.2))
    length = float(np.clip(scale * side**2 / (width * count), side * 0.2, side * 0.9))
    coverage = shapes.strokes(rng, side, length, width, count, curl=0.28)
    thread = random_colour(rng, (0.65, 1.0), (0.5, 0.95))
    shaded = image * (1 - shadow(coverage, light, width + 1.5)[..., None] * 0.55)
    round_ = 1 - lit_edge(coverage, light, 0.7)[..., None] * 1.2
    return blend(shaded, np.asarray(thread * round_, np.float32), coverage), coverage


def scuff(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """A patch rubbed pale and matt in one direction."""
    side = len(image)
    radius = max(patch_radius(side, scale, 1), 6.0)
    coverage = shapes.blobs(rng, side, radius, 1)
    lines = streaks(rng, side, max(7.0, radius * 0.8))
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), uniform(rng, 0, 180), 1.5)
    rubbed = cv2.warpAffine(lines, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    matt = (
        cv2.GaussianBlur(image, (0, 0), 1.5) * 0.5
        + mean_colour(image) * 0.25
        + uniform(rng, 0.25, 0.35)
    )
    haze = np.clip(0.55 + rubbed * 0.3, 0, 1) * cv2.GaussianBlur(coverage, (0, 0), 1.5)
    return blend(image, np.asarray(matt, np.float32), haze), coverage


def missing_print(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """A printed pattern in which some marks are missing or nearly so."""
    side = len(image)
    pitch = float(np.clip(side * np.sqrt(scale) * uniform(rng, 0.5, 1.0), side * 0.06, side * 0.3))
    glyph = int(rng.integers(4))
    ink, gone = np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8)
    cells = [(y, x) for y in np.arange(pitch, side, pitch) for x in np.arange(pitch, side, pitch)]
    wanted = max(1, round(scale * side**2 / (pitch * pitch * 0.35)))
    lost = set(rng.choice(len(cells), min(wanted, 5, len(cells)), replace=False).tolist())
    for index, (y, x) in enumerate(cells):
        _print_glyph(gone if index in lost else ink, glyph, (int(y), int(x)), pitch * 0.36)
    coverage = np.asarray(gone, np.float32) / np.float32(255)
    worn = np.clip(fractal_noise(rng, side, pitch * 0.6, 4) * 1.5 - 0.8, 0, 1) * 0.45
    layer = np.asarray(ink, np.float32) / np.float32(255) + coverage * worn
    dark = mean_colour(image).mean() > 0.45
    colour = random_colour(rng, (0.2, 0.9), (0.05, 0.3) if dark else (0.8, 1.0))
    return blend(image, colour, layer * np.float32(uniform(rng, 0.75, 0.95))), coverage


def _print_glyph(
    canvas: NDArray[np.uint8], glyph: int, centre: tuple[int, int], radius: float
) -> None:
    """Print one mark: a dot, a square, a bar or a triangle, 0 to 3."""
    (y, x), r = centre, max(2, round(radius))
    if glyph == 0:
        cv2.circle(canvas, (x, y), r, 255, -1, cv2.LINE_AA)
    elif glyph == 1:
        cv2.rectangle(canvas, (x - r, y - r), (x + r, y + r), 255, -1)
    elif glyph == 2:
        cv2.rectangle(canvas, (x - r, y - r // 3), (x + r, y + r // 3), 255, -1)
    else:
        corners = np.array([[x, y - r], [x + r, y + r], [x - r, y + r]], np.int32)
        cv2.fillPoly(canvas, [corners], 255, cv2.LINE_AA)
