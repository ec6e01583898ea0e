"""Path tracing: light sources are sampled for matt surfaces and met by chance in glossy ones.

Every hit picks one lobe. The matt lobe asks the softboxes directly and bounces on without seeing
them; the coat bounces along GGX and does see them. So no light is counted twice.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.studio.lights import FAR
from tests.studio.prop import Hits
from tests.studio.shading import (
    Skin,
    fresnel,
    mirror_colour,
    reflect_rough,
    scatter,
)
from tests.studio.stage import Rays, Stage, closest, look, unobstructed
from tests.studio.vectors import Bool, Float, dot

_OFFSET = 3e-3
_BRIGHTEST = 12.0  # of a single path; a photograph has no fireflies
_BRIGHTEST_AMBIENT = 1.5  # of the room as matt surfaces see it: rare rays to a window are noise


class FirstHit(NamedTuple):
    """What the camera's rays meet, for masks and for denoising."""

    prop: NDArray[np.int64]  # (N,) index into the props, -1 for the room
    distance: Float  # (N,)
    normal: Float  # (3, N)
    albedo: Float  # (3, N)
    marked: Bool  # (N,)


def trace(
    stage: Stage, rays: Rays, random: np.random.Generator, *, bounces: int = 3
) -> tuple[Float, FirstHit]:
    """Light (3, N) that comes back along each ray, and what the ray met first."""
    count = rays.origin.shape[1]
    light: Float = np.zeros((3, count), np.float32)
    weight: Float = np.ones((3, count), np.float32)
    alive = np.arange(count)
    sees_lights = np.zeros(count, np.bool_)
    first = _nothing(count)
    for bounce in range(bounces):
        which, distance = closest(stage, rays)
        emitted, ends = _arriving(stage, rays, which, distance, sees_lights)
        light[:, alive] += weight * emitted
        goes_on = ~ends
        if bounce == bounces - 1 or not goes_on.any():
            break
        points = rays.origin + rays.direction * distance
        hits, marked = look(stage, which, points)
        if bounce == 0:
            first = FirstHit(which, distance, hits.skin.normal, hits.skin.albedo, marked)
        hits = _subset(hits, goes_on)
        alive, weight, points = alive[goes_on], weight[:, goes_on], points[:, goes_on]
        view = -rays.direction[:, goes_on]
        lit, direction, factor, sees_lights = _scattered(stage, hits, points, view, random)
        light[:, alive] += weight * lit
        weight = np.asarray(weight * factor, np.float32)
        rays = Rays(points + hits.normal * _OFFSET, direction)
    return np.minimum(light, _BRIGHTEST), first


def _nothing(count: int) -> FirstHit:
    blank = np.zeros((3, count), np.float32)
    far = np.full(count, FAR, np.float32)
    return FirstHit(np.full(count, -1, np.int64), far, blank, blank, np.zeros(count, np.bool_))


def _subset(hits: Hits, keep: Bool) -> Hits:
    skin = Skin(*(field[..., keep] for field in hits.skin))
    return Hits(hits.normal[:, keep], skin)


def _arriving(
    stage: Stage, rays: Rays, which: NDArray[np.int64], distance: Float, sees_lights: Bool
) -> tuple[Float, Bool]:
    """Light (3, N) from a softbox or the room, and which rays (N,) end there."""
    ends = which < 0
    ceiling = np.where(sees_lights, np.float32(_BRIGHTEST), np.float32(_BRIGHTEST_AMBIENT))
    room = np.minimum(stage.room.radiance(rays.direction), ceiling)
    light = np.where(ends, room, np.float32(0))
    for lamp in stage.softboxes:
        struck = sees_lights & (lamp.hit(rays.origin, rays.direction) < distance)
        light = np.where(struck, lamp.radiance, light)
        ends = ends | struck
    return np.asarray(light, np.float32), ends


def _scattered(
    stage: Stage, hits: Hits, points: Float, view: Float, random: np.random.Generator
) -> tuple[Float, Float, Float, Bool]:
    """Direct light, next direction and its weight (3, N), and whether the coat sent it (N,)."""
    skin = hits.skin
    count = points.shape[1]
    choice, u, v = random.random((3, count), dtype=np.float32)
    gloss = fresnel(mirror_colour(skin), np.maximum(dot(view, skin.normal), 0))
    odds = np.clip(gloss.mean(axis=0), 0.25, 0.6)
    odds = np.where(skin.metallic > 0.5, np.float32(1), odds)
    coat = choice < odds
    mirrored, coat_weight = reflect_rough(skin, view, u, v)
    buried = dot(mirrored, hits.normal) <= 0
    coat_weight = np.where(buried, np.float32(0), coat_weight / odds)
    matt = skin.albedo * (1 - skin.metallic) * (1 - gloss) / np.maximum(1 - odds, 1e-3)
    matt = np.where(coat, np.float32(0), matt)
    lit = _direct(stage, hits, points, matt, random)
    direction = np.where(coat, mirrored, scatter(skin.normal, u, v))
    return lit, direction, np.where(coat, coat_weight, matt), coat


def _direct(
    stage: Stage, hits: Hits, points: Float, matt: Float, random: np.random.Generator
) -> Float:
    """Light (3, N) straight from the softboxes, shadows included, for the matt lobe."""
    light = np.zeros_like(points)
    (rays,) = np.nonzero(matt.max(axis=0) > 0)
    origin = points[:, rays] + hits.normal[:, rays] * _OFFSET
    for lamp in stage.softboxes:
        u, v = random.random((2, len(rays)), dtype=np.float32)
        offset = lamp.points(u, v) - origin
        distance = np.sqrt(dot(offset, offset))
        direction = offset / distance
        cosine = np.maximum(dot(direction, hits.skin.normal[:, rays]), 0)
        cosine = np.where(dot(direction, hits.normal[:, rays]) > 0, cosine, np.float32(0))
        unshadowed = lamp.irradiance(offset) * cosine * matt[:, rays] / np.pi
        (open_,) = np.nonzero(unshadowed.max(axis=0) > 1e-5)
        reach = Rays(origin[:, open_], direction[:, open_])
        clear = unobstructed(stage, reach, distance[open_])
        light[:, rays[open_[clear]]] += unshadowed[:, open_[clear]]
    return light
