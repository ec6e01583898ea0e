"""Defects with depth: hollows, bumps, openings and foreign bodies.

Arguments and result as in `marks`.
"""

import cv2
import numpy as np

from model.data.procedural import shapes
from model.data.procedural.lighting import bulge, lit_edge, mean_colour, patch_radius, shadow
from model.data.procedural.noise import (
    Image,
    Painted,
    blend,
    displace,
    fractal_noise,
    grain,
    relief,
    uniform,
)
from model.data.procedural.textures import random_colour


def pits(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """Small dark hollows with a lit rim."""
    side, count = len(image), int(rng.integers(2, 6))
    radius = min(patch_radius(side, scale, count), side * 0.05)
    coverage = shapes.ragged(rng, shapes.ellipses(rng, side, radius, count, 0.6), 5, radius * 0.15)
    hollow = relief(-bulge(coverage), light) * radius
    dark = image * np.float32(uniform(rng, 0.2, 0.5)) + hollow[..., None] * 0.12
    return blend(image, dark, coverage) + lit_edge(coverage, light, 1.2)[..., None] * 0.4, coverage


def dent(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """Bowls: the surface bends and its shading turns."""
    side, count = len(image), int(rng.integers(1, 4))
    radius = max(patch_radius(side, scale, count), 6.0)
    coverage = shapes.ellipses(rng, side, radius, count, 0.45)
    bowl = -bulge(coverage)
    slope_y, slope_x = relief(bowl, np.pi / 2) * radius, relief(bowl, 0) * radius
    bent = displace(image, slope_y * 3, slope_x * 3)
    shade = relief(bowl, light) * np.float32(radius * uniform(rng, 0.7, 1.3))
    painted = bent * np.exp(np.clip(shade, -1.2, 1.2))[..., None]
    return np.asarray(painted, np.float32), coverage


def blister(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """Domes with a gleam towards the light."""
    side, count = len(image), int(rng.integers(1, 6))
    radius = max(patch_radius(side, scale, count), 5.0)
    coverage = shapes.ellipses(rng, side, radius, count, 0.75)
    dome = bulge(coverage)
    facing = relief(dome, light + np.pi) * np.float32(radius)
    tint = np.float32(1 + 0.25 * uniform(rng, 0.3, 1)) * (image * 0.8 + mean_colour(image) * 0.2)
    painted = blend(image, tint, coverage) * np.exp(np.clip(-facing, -0.9, 0.9) * 0.9)[..., None]
    gleam = np.clip(-facing - 0.25, 0, 1) ** 2 * dome * 2.5
    painted = painted * (1 - shadow(coverage, light, radius * 0.2)[..., None] * 0.35)
    return np.asarray(painted + gleam[..., None], np.float32), coverage


def hole(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """Torn openings onto the dark behind."""
    side, count = len(image), int(rng.integers(1, 3))
    radius = max(patch_radius(side, scale, count), 3.0)
    coverage = shapes.blobs(rng, side, radius, count)
    depth = np.full_like(image, random_colour(rng, (0, 0.3), (0.01, 0.09)))
    depth += np.clip(fractal_noise(rng, side, radius, 3), 0, 2)[..., None] * 0.015
    torn = np.clip(cv2.GaussianBlur(coverage, (0, 0), 2.0) * 2, 0, 1) - coverage
    lip = image + (np.clip(torn, 0, 1) * (0.15 + 0.1 * grain(rng, side, 0.8)))[..., None]
    wall = lit_edge(coverage, light, 1.5)[..., None] * 0.5
    return blend(lip + wall, depth, coverage), coverage


def inclusion(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """Angular metallic grains."""
    side, count = len(image), int(rng.integers(1, 6))
    radius = max(patch_radius(side, scale, count), 2.5)
    coverage = shapes.ragged(rng, shapes.shards(rng, side, radius, count), 6, 0.6)
    facets = relief(fractal_noise(rng, side, max(4.0, radius * 0.8), 3), light) * 2
    metal = random_colour(rng, (0.0, 0.12), (0.7, 0.95)) * np.exp(facets * 0.5)[..., None]
    shaded = image * (1 - shadow(coverage, light, 2.0)[..., None] * 0.6)
    return blend(shaded, metal, coverage) - lit_edge(coverage, light, 0.8)[
        ..., None
    ] * 0.5, coverage


def edge_chip(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """A bite out of the part's edge that lays its raw inside bare."""
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
    raw = (mean_colour(image) * 0.6 + uniform(rng, 0.15, 0.4)) * np.exp(fracture * 0.3)[..., None]
    backdrop = random_colour(rng, (0, 0.4), (0.05, 0.35)) * (1 + grain(rng, side)[..., None] * 0.03)
    worn = image - np.exp(-((beyond / 3) ** 2))[..., None] * 0.12
    chipped = blend(worn, np.asarray(raw, np.float32), coverage)
    return blend(chipped - lit_edge(bite, light, 1.2)[..., None] * 0.3, backdrop, outside), coverage


def corrosion(rng: np.random.Generator, image: Image, light: float, scale: float) -> Painted:
    """Crusts of rust that break into islands."""
    side, count = len(image), int(rng.integers(1, 5))
    radius = max(patch_radius(side, scale, count), 5.0)
    patch = shapes.blobs(rng, side, radius, count)
    coverage = shapes.speckled(rng, patch, max(2.5, radius * 0.14))
    scale_height = fractal_noise(rng, side, max(5.0, radius * 0.3), 4, 0.75)
    rust = np.array([0.52, 0.25, 0.09], np.float32) * np.float32(uniform(rng, 0.7, 1.2))
    crust = rust * np.exp(relief(scale_height, light) * 1.6 + scale_height * 0.2)[..., None]
    return blend(image, np.asarray(crust, np.float32), coverage * 0.92), coverage
