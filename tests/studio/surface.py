"""Machined metal with casting pits: its maps, and which of its pixels are pit."""

from typing import NamedTuple

import cv2
import numpy as np

from tests.studio.ground import Maps
from tests.studio.noise import fractal
from tests.studio.vectors import Float, smoothstep

SIDE = 2400

Colour = tuple[float, float, float]
STEEL: Colour = (0.56, 0.55, 0.53)
ALUMINIUM: Colour = (0.8, 0.8, 0.81)
BRASS: Colour = (0.78, 0.56, 0.26)
CAST_IRON: Colour = (0.3, 0.29, 0.28)


class Pit(NamedTuple):
    """A void the machining opened: centre and radius in 0..1 of the patch, how elongated it is."""

    x: float
    y: float
    radius: float
    stretch: float = 1.0
    angle_degrees: float = 0.0


def machined(
    rng: np.random.Generator,
    *,
    extent: float,
    metal: Colour,
    pits: tuple[Pit, ...],
    finish: str = "brushed",
    rust: float = 0.5,
    scratches: int = 14,
) -> Maps:
    """A metal patch `extent` wide: `finish` is "brushed" (along x), "turned" or "blasted".

    Fine scratches and stains lie on it too; they are no pits.
    """
    shape = (SIDE, SIDE)
    texel = extent / SIDE
    grain, roughness = _FINISHES[finish](shape, rng)
    marks = _hairlines(shape, rng, scratches)
    depth, mouth = _bore(shape, rng, pits)
    crust = np.clip(0.5 + 0.6 * fractal(shape, (90, 90), rng, octaves=5), 0, 1)
    stain = _stains(mouth, rng) * rust
    height = texel * (1.1 * grain - 3.0 * marks) * (depth <= 0) - extent * depth * (
        0.85 + 0.3 * crust
    )
    inside = smoothstep(-0.0008, 0.0015, depth)
    albedo = np.array(metal, np.float32) * (1 + 0.03 * grain - 0.12 * marks)[..., None]
    oxide = _oxide(rng, crust) * smoothstep(0.06, 0.0, depth)[..., None]
    cover = np.clip(inside + stain * crust, 0, 1)
    albedo = albedo + (oxide - albedo) * cover[..., None]
    dull = (cover * 0.9)[..., None]
    return Maps(
        np.clip(albedo, 0.01, 0.95).astype(np.float32),
        np.clip(roughness + (0.75 - roughness) * dull, 0.05, 1).astype(np.float32),
        (1 - cover).astype(np.float32),
        (height - height.max()).astype(np.float32),
        depth > 0.0008,
    )


def _brushed(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Float, Float]:
    grain = 0.6 * fractal(shape, (900, 3), rng, octaves=2) + 0.5 * fractal(
        shape, (260, 2), rng, octaves=2
    )
    smudge = fractal(shape, (5, 5), rng, octaves=5)
    return grain, _directional(0.24 + 0.035 * smudge, 0.46 + 0.04 * smudge)


def _turned(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Float, Float]:
    """Arcs of a face mill about a centre far outside the patch."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / shape[0]
    wander = 0.0012 * fractal(shape, (5, 5), rng, octaves=3)
    radius = np.hypot(x - 0.5, y + 0.9) + wander
    lines = np.interp(radius * 5200, np.arange(12000), rng.standard_normal(12000)).astype(
        np.float32
    )
    feed = np.sin(radius * 2 * np.pi * 70) + 0.4 * np.sin(radius * 2 * np.pi * 140 + 1)
    smudge = fractal(shape, (6, 6), rng, octaves=5)
    even = 0.33 + 0.03 * smudge
    return np.asarray(0.5 * lines + 0.9 * feed, np.float32), _directional(even - 0.06, even + 0.08)


def _blasted(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Float, Float]:
    """The skin of a sand casting."""
    lumps = 1.4 * fractal(shape, (170, 170), rng, octaves=4, gain=0.65)
    lumps += 4.0 * fractal(shape, (24, 24), rng, octaves=3)
    even = 0.5 + 0.04 * fractal(shape, (8, 8), rng, octaves=4)
    return lumps, _directional(even, even)


_FINISHES = {"brushed": _brushed, "turned": _turned, "blasted": _blasted}


def _directional(along: Float, across: Float) -> Float:
    return np.stack([along, across], axis=-1).astype(np.float32)


def _hairlines(shape: tuple[int, int], rng: np.random.Generator, count: int) -> Float:
    """Fine scratches (H, W), 0..1, slightly bent and fading at their ends."""
    canvas = np.zeros(shape, np.float32)
    for _ in range(count):
        start = rng.uniform(0, 1, 2) * (shape[1], shape[0])
        heading, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.004)
        steps, strength = int(rng.integers(20, 90)), rng.uniform(0.25, 0.9)
        for step in range(steps):
            heading += bend
            end = start + 9 * np.array([np.cos(heading), np.sin(heading)])
            fade = float(strength * np.sin(np.pi * (step + 0.5) / steps) ** 0.5)
            ends = [tuple(int(v * 16) for v in point) for point in (start, end)]
            cv2.line(canvas, ends[0], ends[1], fade, 1, cv2.LINE_AA, shift=4)
            start = end
    return canvas


def _bore(
    shape: tuple[int, int], rng: np.random.Generator, pits: tuple[Pit, ...]
) -> tuple[Float, Float]:
    """Depth (H, W) of the pits as a share of the patch, and closeness to a pit's mouth, 0..1."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / shape[0]
    ragged = fractal(shape, (22, 22), rng, octaves=6, gain=0.58)
    floor = fractal(shape, (48, 48), rng, octaves=4)
    depth, near = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for pit in pits:
        angle = np.deg2rad(pit.angle_degrees)
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        along = ((x - pit.x) * cosine + (y - pit.y) * sine) / pit.stretch
        across = ((y - pit.y) * cosine - (x - pit.x) * sine) * pit.stretch
        rim = np.hypot(along, across) / pit.radius + 0.17 * ragged
        bowl = np.sqrt(np.clip(1 - rim, 0, 1)) * (1 + 0.16 * floor)
        depth = np.maximum(depth, 0.75 * pit.radius * bowl)
        near = np.maximum(near, smoothstep(1.9, 0.9, rim))
    return depth, near


def _stains(mouth: Float, rng: np.random.Generator) -> Float:
    """Where rust has crept out of the pits, 0..1."""
    creep = fractal(mouth.shape, (14, 14), rng, octaves=6)
    return np.asarray(smoothstep(0.35, 1.1, mouth + 0.25 * creep - 0.05) * 0.75)


def _oxide(rng: np.random.Generator, crust: Float) -> Float:
    tone = np.clip(0.5 + 0.35 * fractal(crust.shape, (40, 40), rng, octaves=5), 0, 1)[..., None]
    dark = np.array((0.045, 0.03, 0.022), np.float32)
    orange = np.array((0.23, 0.09, 0.03), np.float32)
    return np.asarray(dark + (orange - dark) * tone * (0.35 + 0.65 * crust[..., None]))
