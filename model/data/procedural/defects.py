"""Fourteen kinds of surface defect: each paints itself on a surface and reports where it lies.

A kind keeps its look (outline, polarity, material) in every image, while size, place, count and
contrast vary. `scale` is the wish for its area: the share of the image it should cover.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.procedural import shapes
from model.data.procedural.noise import (
    Field,
    Image,
    blend,
    displace,
    fractal_noise,
    grain,
    relief,
    smooth_noise,
    streaks,
    uniform,
)
from model.data.procedural.textures import TEXTILES, TEXTURES, Texture, random_colour

Painted = tuple[Image, Field]
Paint = Callable[[np.random.Generator, Image, float, float], Painted]


def _radius(side: int, scale: float, count: int) -> float:
    return float(max(1.6, side * np.sqrt(scale / (np.pi * 0.75 * count))))


def _mean_colour(image: Image) -> NDArray[np.float32]:
    return np.asarray(image.mean(axis=(0, 1)), np.float32)


def _bulge(coverage: Field) -> Field:
    """A smooth dome over each patch, 0 at its outline and at most 1."""
    solid = np.asarray(coverage > 0.5, np.uint8)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 3)
    dome = np.sqrt(depth / max(float(depth.max()), 1.0))
    return np.asarray(
        cv2.GaussianBlur(dome, (0, 0), max(1.0, float(depth.max()) * 0.2)), np.float32
    )


def _shadow(coverage: Field, light: float, reach: float) -> Field:
    """The part of the surroundings that an object keeps from the light."""
    shift = np.array([[1, 0, np.cos(light) * reach], [0, 1, np.sin(light) * reach]], np.float32)
    cast = cv2.warpAffine(coverage, shift, coverage.shape[::-1])
    return np.asarray(np.clip(cv2.GaussianBlur(cast, (0, 0), 1.2) - coverage, 0, 1), np.float32)


def _lit_edge(coverage: Field, light: float, softness: float) -> Field:
    soft = cv2.GaussianBlur(coverage, (0, 0), softness)
    return relief(np.asarray(soft, np.float32), light)


def _scratch(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, count = len(image), int(rng.integers(1, 6))
    width = max(1.0, side / 337 * uniform(rng, 1.0, 2.6))
    length = float(np.clip(scale * side**2 / (width * count), side * 0.12, side * 1.1))
    coverage = shapes.strokes(rng, side, length, width, count, curl=0.012)
    bright = _mean_colour(image) * 0.5 + uniform(rng, 0.4, 0.6)
    depth = 0.75 + 0.25 * np.clip(smooth_noise(rng, side, 20), -1, 1)
    painted = blend(image, bright, coverage * depth * np.float32(uniform(rng, 0.55, 1)))
    return painted - _lit_edge(coverage, light, 0.8)[..., None] * 0.5, coverage


def _crack(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side = len(image)
    width = max(1.0, side / 337 * uniform(rng, 1.4, 4.0))
    coverage = shapes.branches(
        rng, side, float(np.clip(scale * side**2 / width, side * 0.25, side * 1.3)), width
    )
    dark = image * np.float32(uniform(rng, 0.1, 0.4))
    return blend(image, dark, coverage) + _lit_edge(coverage, light, 0.9)[
        ..., None
    ] * 0.25, coverage


def _pit(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, count = len(image), int(rng.integers(2, 6))
    radius = min(_radius(side, scale, count), side * 0.05)
    coverage = shapes.ragged(rng, shapes.ellipses(rng, side, radius, count, 0.6), 5, radius * 0.15)
    hollow = relief(-_bulge(coverage), light) * radius
    dark = image * np.float32(uniform(rng, 0.2, 0.5)) + hollow[..., None] * 0.12
    return blend(image, dark, coverage) + _lit_edge(coverage, light, 1.2)[..., None] * 0.4, coverage


def _stain(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, count = len(image), int(rng.integers(1, 4))
    radius = _radius(side, scale, count)
    coverage = shapes.blobs(rng, side, radius, count)
    inner = cv2.GaussianBlur(coverage, (0, 0), max(1.0, radius * 0.15))
    rim = np.clip(1 - np.abs(inner - 0.6) * 3, 0, 1) * coverage
    density = inner * (0.75 + 0.2 * fractal_noise(rng, side, radius, 3)) + rim * 0.6
    absorbed = (1 - np.array([0.95, 0.75, 0.45], np.float32)) * np.float32(uniform(rng, 0.9, 2.0))
    painted = image * np.exp(-np.clip(density, 0, 2)[..., None] * (absorbed + 0.2))
    return np.asarray(painted, np.float32), coverage


def _dent(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, count = len(image), int(rng.integers(1, 4))
    radius = max(_radius(side, scale, count), 6.0)
    coverage = shapes.ellipses(rng, side, radius, count, 0.45)
    bowl = -_bulge(coverage)
    slope_y, slope_x = relief(bowl, np.pi / 2) * radius, relief(bowl, 0) * radius
    bent = displace(image, slope_y * 3, slope_x * 3)
    shade = relief(bowl, light) * np.float32(radius * uniform(rng, 0.7, 1.3))
    painted = bent * np.exp(np.clip(shade, -1.2, 1.2))[..., None]
    return np.asarray(painted, np.float32), coverage


def _blister(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, count = len(image), int(rng.integers(1, 6))
    radius = max(_radius(side, scale, count), 5.0)
    coverage = shapes.ellipses(rng, side, radius, count, 0.75)
    dome = _bulge(coverage)
    facing = relief(dome, light + np.pi) * np.float32(radius)
    tint = np.float32(1 + 0.25 * uniform(rng, 0.3, 1)) * (image * 0.8 + _mean_colour(image) * 0.2)
    painted = blend(image, tint, coverage) * np.exp(np.clip(-facing, -0.9, 0.9) * 0.9)[..., None]
    gleam = np.clip(-facing - 0.25, 0, 1) ** 2 * dome * 2.5
    painted = painted * (1 - _shadow(coverage, light, radius * 0.2)[..., None] * 0.35)
    return np.asarray(painted + gleam[..., None], np.float32), coverage


def _hole(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, count = len(image), int(rng.integers(1, 3))
    radius = max(_radius(side, scale, count), 3.0)
    coverage = shapes.blobs(rng, side, radius, count)
    depth = np.full_like(image, random_colour(rng, (0, 0.3), (0.01, 0.09)))
    depth += np.clip(fractal_noise(rng, side, radius, 3), 0, 2)[..., None] * 0.015
    torn = np.clip(cv2.GaussianBlur(coverage, (0, 0), 2.0) * 2, 0, 1) - coverage
    lip = image + (np.clip(torn, 0, 1) * (0.15 + 0.1 * grain(rng, side, 0.8)))[..., None]
    wall = _lit_edge(coverage, light, 1.5)[..., None] * 0.5
    return blend(lip + wall, depth, coverage), coverage


def _inclusion(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, count = len(image), int(rng.integers(1, 6))
    radius = max(_radius(side, scale, count), 2.5)
    coverage = shapes.ragged(rng, shapes.shards(rng, side, radius, count), 6, 0.6)
    facets = relief(fractal_noise(rng, side, max(4.0, radius * 0.8), 3), light) * 2
    metal = random_colour(rng, (0.0, 0.12), (0.7, 0.95)) * np.exp(facets * 0.5)[..., None]
    shaded = image * (1 - _shadow(coverage, light, 2.0)[..., None] * 0.6)
    return blend(shaded, metal, coverage) - _lit_edge(coverage, light, 0.8)[
        ..., None
    ] * 0.5, coverage


def _weave_fault(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side = len(image)
    length = side * uniform(rng, 0.25, 0.9)
    width = float(np.clip(scale * side**2 / length, 3.0, side * 0.12))
    coverage = shapes.ragged(rng, shapes.strokes(rng, side, length, width, 1, curl=0.003), 12, 1.5)
    pull = cv2.GaussianBlur(coverage, (0, 0), max(1.5, width * 0.25)) * np.float32(width * 0.8)
    loose = displace(image, pull * smooth_noise(rng, side, 8), pull * smooth_noise(rng, side, 8))
    floats = np.exp(streaks(rng, side, 9) * 0.18)[..., None] * np.float32(uniform(rng, 1.1, 1.4))
    slack = cv2.GaussianBlur(loose, (0, 0), 1.3) * floats
    return blend(image, slack, coverage) - _lit_edge(coverage, light, 1.2)[
        ..., None
    ] * 0.3, coverage


def _edge_chip(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, axis = len(image), np.linspace(-0.5, 0.5, len(image), dtype=np.float32)
    course, offset = uniform(rng, 0, 6.3), uniform(rng, 0.1, 0.3)
    beyond = (axis[None, :] * np.cos(course) + axis[:, None] * np.sin(course) - offset) * side
    outside = np.asarray(np.clip(beyond + 0.5, 0, 1), np.float32)
    radius = float(max(4.0, side * np.sqrt(scale * 2.2 / np.pi)))
    along = uniform(rng, -0.2, 0.2)
    middle = side * (0.5 + offset * np.array([np.cos(course), np.sin(course)]))
    middle += side * along * np.array([-np.sin(course), np.cos(course)])
    y, x = np.ogrid[:side, :side]
    reach = np.hypot(x - middle[0], y - middle[1])
    bite = shapes.ragged(
        rng, np.clip(radius - reach + 0.5, 0, 1).astype(np.float32), radius * 0.7, radius * 0.2
    )
    coverage = bite * (1 - outside)
    fracture = relief(fractal_noise(rng, side, max(6.0, radius * 0.5), 4, 0.7), light) * 4
    raw = (_mean_colour(image) * 0.6 + uniform(rng, 0.15, 0.4)) * np.exp(fracture * 0.3)[..., None]
    backdrop = random_colour(rng, (0, 0.4), (0.05, 0.35)) * (1 + grain(rng, side)[..., None] * 0.03)
    worn = image - np.exp(-((beyond / 3) ** 2))[..., None] * 0.12
    chipped = blend(worn, np.asarray(raw, np.float32), coverage)
    return blend(
        chipped - _lit_edge(bite, light, 1.2)[..., None] * 0.3, backdrop, outside
    ), coverage


def _missing_print(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
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
    dark = _mean_colour(image).mean() > 0.45
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


def _fibre(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, count = len(image), int(rng.integers(1, 4))
    width = max(1.0, side / 337 * uniform(rng, 1.0, 2.2))
    length = float(np.clip(scale * side**2 / (width * count), side * 0.2, side * 0.9))
    coverage = shapes.strokes(rng, side, length, width, count, curl=0.28)
    thread = random_colour(rng, (0.65, 1.0), (0.5, 0.95))
    shaded = image * (1 - _shadow(coverage, light, width + 1.5)[..., None] * 0.55)
    round_ = 1 - _lit_edge(coverage, light, 0.7)[..., None] * 1.2
    return blend(shaded, np.asarray(thread * round_, np.float32), coverage), coverage


def _corrosion(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side, count = len(image), int(rng.integers(1, 5))
    radius = max(_radius(side, scale, count), 5.0)
    patch = shapes.blobs(rng, side, radius, count)
    coverage = shapes.speckled(rng, patch, max(2.5, radius * 0.14))
    scale_height = fractal_noise(rng, side, max(5.0, radius * 0.3), 4, 0.75)
    rust = np.array([0.52, 0.25, 0.09], np.float32) * np.float32(uniform(rng, 0.7, 1.2))
    crust = rust * np.exp(relief(scale_height, light) * 1.6 + scale_height * 0.2)[..., None]
    return blend(image, np.asarray(crust, np.float32), coverage * 0.92), coverage


def _scuff(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    side = len(image)
    radius = max(_radius(side, scale, 1), 6.0)
    coverage = shapes.blobs(rng, side, radius, 1)
    lines = streaks(rng, side, max(7.0, radius * 0.8))
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), uniform(rng, 0, 180), 1.5)
    rubbed = cv2.warpAffine(lines, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    matt = cv2.GaussianBlur(image, (0, 0), 1.5) * 0.6 + uniform(rng, 0.2, 0.35)
    haze = np.clip(0.55 + rubbed * 0.3, 0, 1) * cv2.GaussianBlur(coverage, (0, 0), 1.5)
    return blend(image, np.asarray(matt, np.float32), haze), coverage


class DefectKind(NamedTuple):
    """A class of defect: its name, how it is painted, its range of area and its surfaces."""

    name: str
    paint: Paint
    area: tuple[float, float]
    textures: tuple[Texture, ...] = TEXTURES


KINDS: tuple[DefectKind, ...] = (
    DefectKind("scratch", _scratch, (0.002, 0.02)),
    DefectKind("crack", _crack, (0.004, 0.03)),
    DefectKind("pit", _pit, (0.002, 0.02)),
    DefectKind("stain", _stain, (0.005, 0.12)),
    DefectKind("dent", _dent, (0.006, 0.1)),
    DefectKind("blister", _blister, (0.004, 0.08)),
    DefectKind("hole", _hole, (0.002, 0.08)),
    DefectKind("inclusion", _inclusion, (0.002, 0.04)),
    DefectKind("weave_fault", _weave_fault, (0.006, 0.06), TEXTILES),
    DefectKind("edge_chip", _edge_chip, (0.004, 0.06)),
    DefectKind("missing_print", _missing_print, (0.004, 0.06)),
    DefectKind("fibre", _fibre, (0.003, 0.015)),
    DefectKind("corrosion", _corrosion, (0.006, 0.1)),
    DefectKind("scuff", _scuff, (0.008, 0.12)),
)
