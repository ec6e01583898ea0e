"""The things a duck is photographed among: crockery, fruit, toys, books."""

from functools import partial

import numpy as np

from tests.studio.noise import solid, solid_fractal
from tests.studio.prop import Shape
from tests.studio.sdf import (
    box,
    capsule,
    cut,
    cylinder,
    ellipsoid,
    moved,
    sphere,
    torus,
    turned,
    union,
)
from tests.studio.shading import Skin, plain
from tests.studio.vectors import Float, normalize, smoothstep, vector

Colour = tuple[float, float, float]


def _mug(points: Float) -> Float:
    outside = cylinder(moved(points, 0.0, 0.0, 0.95), 0.8, 0.95, 0.1)
    hollow = cylinder(moved(points, 0.0, 0.0, 1.3), 0.7, 1.18, 0.12)
    handle = torus(turned(moved(points, 0.82, 0.0, 0.98), 90, 0), 0.46, 0.1)
    handle = np.maximum(handle, 0.74 - np.hypot(points[0], points[1]))
    return cut(union(outside, handle, 0.1), hollow, 0.06)


def _mug_skin(points: Float, normal: Float, glaze: Colour, inside: Colour) -> Skin:
    inner = (np.hypot(points[0], points[1]) < 0.735) & (points[2] > 0.1)
    albedo = np.where(inner, vector(*inside), vector(*glaze))
    # Stoneware shows through where glaze runs thin: at the foot, and as iron specks.
    specks = smoothstep(0.62, 0.75, solid(points * 24.0))
    albedo = albedo * (1 - 0.7 * specks)
    foot = smoothstep(0.16, 0.1, points[2] + 0.03 * solid(points * 4.0))
    clay = vector(0.36, 0.24, 0.15)
    return plain(points, normal, albedo + (clay - albedo) * foot, 0.12)


def mug(glaze: Colour, inside: Colour = (0.72, 0.68, 0.6)) -> Shape:
    """A stoneware mug, 1.9 high, its handle along x."""
    skin = partial(_mug_skin, glaze=glaze, inside=inside)
    return Shape(_mug, (0.25, 0.0, 0.95), (1.2, 0.85, 0.98), skin)


def _ball_skin(points: Float, normal: Float, colours: tuple[Colour, Colour]) -> Skin:
    sector = np.sin(3 * np.arctan2(points[1], points[0]))
    first, second = (vector(*colour) for colour in colours)
    return plain(points, normal, np.where(sector > 0, first, second), 0.25)


def ball(*colours: Colour) -> Shape:
    """A beach ball of radius 1 with panels of two colours."""
    skin = partial(_ball_skin, colours=(colours[0], colours[-1]))
    return Shape(partial(sphere, radius=1.0), (0, 0, 0), (1.02, 1.02, 1.02), skin)


def _lemon(points: Float) -> Float:
    flesh = ellipsoid(points, 0.78, 0.6, 0.6)
    tip = ellipsoid(moved(points, 0.74, 0.0, 0.0), 0.2, 0.12, 0.12)
    stalk = ellipsoid(moved(points, -0.72, 0.0, 0.0), 0.16, 0.14, 0.14)
    return union(union(flesh, tip, 0.28), stalk, 0.2)


def _lemon_skin(points: Float, normal: Float) -> Skin:
    pores = points * 26.0
    here = solid(pores)
    step = np.float32(0.25)
    rise = [solid(pores + step * np.eye(3, dtype=np.float32)[:, a : a + 1]) for a in range(3)]
    bumped = normalize(normal - 0.14 * (np.stack(rise) - here) / step)
    green = smoothstep(0.1, 0.9, solid_fractal(points * 1.3, 3))
    ripe = vector(0.82, 0.56, 0.03)
    albedo = ripe + (vector(0.5, 0.52, 0.05) - ripe) * (0.6 * green)
    return plain(points, bumped, albedo, 0.38)


def lemon() -> Shape:
    """A lemon, 1.8 long, lying along x, its middle at the origin."""
    return Shape(_lemon, (0, 0, 0), (0.98, 0.64, 0.64), _lemon_skin)


def _wood_skin(points: Float, normal: Float, stain: Colour) -> Skin:
    grain = points * vector(1.1, 5.0, 5.0)
    rings = np.hypot(grain[1] + 2.5, grain[2]) + 0.3 * solid_fractal(grain * 0.5, 2)
    line = 0.5 + 0.5 * np.sin(14 * rings)
    fibre = solid(points * vector(4.0, 70.0, 70.0))
    tone = 0.72 + 0.28 * line**2 + 0.07 * fibre
    return plain(points, normal, vector(*stain) * tone, 0.42)


def block(stain: Colour, hx: float = 0.5, hy: float = 0.5, hz: float = 0.5) -> Shape:
    """A stained wooden block of half extents, standing on z = 0."""

    def distance(points: Float) -> Float:
        return box(moved(points, 0.0, 0.0, hz), hx, hy, hz, 0.05)

    half = (hx + 0.02, hy + 0.02, hz + 0.02)
    return Shape(distance, (0.0, 0.0, hz), half, partial(_wood_skin, stain=stain))


def _book(points: Float) -> Float:
    cover = box(moved(points, 0.0, 0.0, 0.2), 1.1, 0.8, 0.2, 0.02)
    pages = box(moved(points, 0.1, 0.0, 0.2), 1.14, 0.9, 0.155, 0.01)
    return np.asarray(np.maximum(cover, -pages))


def _book_distance(points: Float) -> Float:
    paper = box(moved(points, 0.02, 0.0, 0.2), 1.05, 0.76, 0.157, 0.005)
    return np.asarray(np.minimum(_book(points), paper))


def _book_skin(points: Float, normal: Float, cloth: Colour) -> Skin:
    paper = _book(points) > 0.004
    weave = solid(points * vector(60.0, 60.0, 60.0))
    bound = vector(*cloth) * (1 + 0.22 * weave)
    leaves = vector(0.7, 0.64, 0.52) * (0.82 + 0.18 * solid(points * vector(2.0, 2.0, 160.0)))
    return plain(points, normal, np.where(paper, leaves, bound), 0.55)


def book(cloth: Colour) -> Shape:
    """A clothbound book that lies flat, 2.2 by 1.6 by 0.4."""
    skin = partial(_book_skin, cloth=cloth)
    return Shape(_book_distance, (0.0, 0.0, 0.2), (1.12, 0.82, 0.22), skin)


def _bottle(points: Float) -> Float:
    body = cylinder(moved(points, 0.0, 0.0, 1.0), 0.52, 1.0, 0.14)
    shoulder = ellipsoid(moved(points, 0.0, 0.0, 1.9), 0.48, 0.48, 0.4)
    neck = cylinder(moved(points, 0.0, 0.0, 2.4), 0.18, 0.4, 0.03)
    cap = cylinder(moved(points, 0.0, 0.0, 2.72), 0.24, 0.16, 0.03)
    return np.asarray(np.minimum(union(union(body, shoulder, 0.12), neck, 0.16), cap))


def _bottle_skin(points: Float, normal: Float, colour: Colour, label: Colour) -> Skin:
    height = points[2]
    edge = 0.004 * solid(points * 60.0)
    band = (np.abs(height + edge - 1.0) < 0.5) & (np.abs(np.arctan2(points[1], points[0])) < 2.2)
    rule = np.abs(np.abs(height - 1.0) - 0.4) < 0.02
    paper = np.where(rule, vector(*colour) * 0.6, vector(*label))
    skin = plain(points, normal, np.where(band, paper, vector(*colour)), 0.16)
    skin.roughness[:, band] = 0.5
    skin.albedo[:, height > 2.56] = 0.03
    return skin


def bottle(colour: Colour, label: Colour = (0.75, 0.7, 0.58)) -> Shape:
    """An opaque bottle with a paper label and a black cap, 2.9 high."""
    skin = partial(_bottle_skin, colour=colour, label=label)
    return Shape(_bottle, (0.0, 0.0, 1.45), (0.56, 0.56, 1.48), skin)


def _rings(points: Float) -> Float:
    stack = [
        torus(moved(points, 0.0, 0.0, 0.24 + 0.4 * level), 0.62 - 0.11 * level, 0.22)
        for level in range(4)
    ]
    knob = sphere(moved(points, 0.0, 0.0, 1.82), 0.25)
    return np.asarray(np.minimum(np.minimum.reduce(stack), knob))


def _rings_skin(points: Float, normal: Float) -> Skin:
    colours = [(0.62, 0.03, 0.02), (0.75, 0.27, 0.02), (0.05, 0.32, 0.09), (0.03, 0.12, 0.5)]
    level = np.clip((points[2] + 0.0) / 0.4, 0, 3.999).astype(np.int64)
    albedo = np.array(colours, np.float32).T[:, level]
    albedo = np.where(points[2] > 1.62, vector(0.7, 0.68, 0.62), albedo)
    return plain(points, normal, albedo, 0.22)


def rings() -> Shape:
    """A toy tower of four stacked rings, 2 high."""
    return Shape(_rings, (0.0, 0.0, 1.03), (0.87, 0.87, 1.06), _rings_skin)


def _pencil(points: Float) -> Float:
    around = np.stack([points[0], np.abs(points[1]), np.abs(points[2])])
    flats = np.maximum(around[1] * 0.866 + around[2] * 0.5, around[2]) - 0.09
    tip = np.hypot(points[1], points[2]) * 0.97 - (1.5 - points[0]) * 0.24
    return np.asarray(np.maximum(np.maximum(flats, tip), -1.4 - points[0]))


def _pencil_skin(points: Float, normal: Float, paint: Colour) -> Skin:
    radius = np.hypot(points[1], points[2])
    sharpened = np.abs(radius * 0.97 - (1.5 - points[0]) * 0.24) < 0.006
    albedo = np.where(sharpened, vector(0.62, 0.4, 0.2), vector(*paint))
    lead = points[0] > 1.38
    return plain(points, normal, np.where(lead, np.float32(0.02), albedo), 0.3)


def pencil(paint: Colour) -> Shape:
    """A hexagonal pencil along x, 2.9 long, its axis at the origin."""
    return Shape(_pencil, (0.05, 0, 0), (1.48, 0.11, 0.11), partial(_pencil_skin, paint=paint))


def _foam(points: Float) -> Float:
    start, end = vector(-0.6, 0.0, 0.3), vector(0.6, 0.0, 0.3)
    return capsule(points, start, end, 0.3)


def _foam_skin(points: Float, normal: Float, colour: Colour) -> Skin:
    pores = smoothstep(0.25, 0.45, solid(points * 11.0)) * smoothstep(
        -0.2, 0.3, solid(points * 5.0)
    )
    return plain(points, normal, vector(*colour) * (1 - 0.65 * pores), 0.9)


def roll(colour: Colour) -> Shape:
    """A foam roll along x, 1.8 long, lying on z = 0."""
    return Shape(_foam, (0, 0, 0.3), (0.92, 0.32, 0.32), partial(_foam_skin, colour=colour))
