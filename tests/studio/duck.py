"""A rubber duck."""

from functools import partial

import numpy as np

from tests.studio.noise import solid_fractal
from tests.studio.prop import Shape
from tests.studio.sdf import (
    ellipsoid,
    moved,
    sphere,
    turned,
    union,
)
from tests.studio.shading import Skin, plain
from tests.studio.vectors import Float, vector

Colour = tuple[float, float, float]


def _sided(points: Float) -> Float:
    """Points folded onto y >= 0, for what comes in pairs."""
    return np.stack([points[0], np.abs(points[1]), points[2]])


def _duck_body(points: Float) -> Float:
    pair = _sided(points)
    body = ellipsoid(moved(points, 0.0, 0.0, 0.6), 1.02, 0.78, 0.62)
    tail = ellipsoid(turned(moved(points, -0.86, 0.0, 0.88), -38, 1), 0.42, 0.3, 0.17)
    head = sphere(moved(points, 0.5, 0.0, 1.52), 0.5)
    wing = ellipsoid(turned(turned(moved(pair, -0.16, 0.72, 0.72), 10, 2), -14, 1), 0.56, 0.13, 0.3)
    whole = union(union(union(body, tail, 0.3), head, 0.22), wing, 0.07)
    return np.asarray(np.maximum(whole, 0.04 - points[2]))


def _duck_bill(points: Float) -> Float:
    upper = ellipsoid(turned(moved(points, 1.02, 0.0, 1.47), 7, 1), 0.26, 0.23, 0.075)
    lower = ellipsoid(turned(moved(points, 0.99, 0.0, 1.39), -2, 1), 0.2, 0.18, 0.06)
    return union(upper, lower, 0.04)


def _duck_eye(points: Float) -> Float:
    return ellipsoid(moved(_sided(points), 0.86, 0.235, 1.68), 0.075, 0.07, 0.095)


def _duck(points: Float) -> Float:
    return np.asarray(
        np.minimum(np.minimum(_duck_body(points), _duck_bill(points)), _duck_eye(points))
    )


def _duck_skin(points: Float, normal: Float, colour: Colour, bill: Colour) -> Skin:
    plastic = vector(*colour) * (1 + 0.05 * solid_fractal(points * 2.5, 2))
    # Where the paint of a cheap toy was sprayed over its mould, the bill bleeds a little.
    albedo = np.where(_duck_bill(points) < 0.012, vector(*bill), plastic)
    eye = _duck_eye(points) < 0.006
    skin = plain(points, normal, np.where(eye, np.float32(0.012), albedo), 0.3)
    skin.roughness[:, eye] = 0.1
    scuffs = 0.1 * np.clip(solid_fractal(points * 7.0, 3), 0, 1)
    return skin._replace(roughness=skin.roughness + scuffs)


def duck(colour: Colour = (0.88, 0.56, 0.015), bill: Colour = (0.8, 0.16, 0.01)) -> Shape:
    """A rubber duck that looks along x, 2 long and 2 high."""
    skin = partial(_duck_skin, colour=colour, bill=bill)
    return Shape(_duck, (0.0, 0.0, 1.03), (1.35, 0.98, 1.06), skin)
