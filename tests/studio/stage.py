"""All that a ray can meet, and the questions a tracer asks of it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.studio.lights import FAR, Room, Softbox
from tests.studio.prop import Hits, Prop
from tests.studio.shading import Skin
from tests.studio.vectors import Bool, Float


@dataclass(frozen=True)
class Stage:
    """All that is lit and all that lights it."""

    props: tuple[Prop, ...]
    softboxes: tuple[Softbox, ...]
    room: Room


class Rays(NamedTuple):
    """N rays: origins and unit directions (3, N)."""

    origin: Float
    direction: Float


def closest(stage: Stage, rays: Rays) -> tuple[NDArray[np.int64], Float]:
    """Index of the prop each ray meets first (-1: none) and the distance (N,)."""
    count = rays.origin.shape[1]
    nearest = np.full(count, FAR, np.float32)
    which = np.full(count, -1, np.int64)
    for index, prop in enumerate(stage.props):
        distance = prop.intersect(rays.origin, rays.direction, nearest)
        closer = distance < nearest
        nearest = np.where(closer, distance, nearest)
        which[closer] = index
    return which, nearest


def look(stage: Stage, which: NDArray[np.int64], points: Float) -> tuple[Hits, Bool]:
    """Normals and skins at points (3, N) of the props `which` (N,), and which are marked."""
    count = points.shape[1]
    normal = np.zeros((3, count), np.float32)
    normal[2] = 1
    shading = normal.copy()
    albedo, roughness = np.zeros((3, count), np.float32), np.ones((2, count), np.float32)
    metallic, marked = np.zeros(count, np.float32), np.zeros(count, np.bool_)
    for index, prop in enumerate(stage.props):
        (rays,) = np.nonzero(which == index)
        if len(rays) == 0:
            continue
        hits = prop.look(points[:, rays])
        normal[:, rays], shading[:, rays] = hits.normal, hits.skin.normal
        albedo[:, rays], roughness[:, rays] = hits.skin.albedo, hits.skin.roughness
        metallic[rays] = hits.skin.metallic
        marked[rays] = prop.marked(points[:, rays])
    return Hits(normal, Skin(albedo, roughness, metallic, shading)), marked


def unobstructed(stage: Stage, rays: Rays, distance: Float) -> Bool:
    """Which rays (N,) meet nothing within `distance` (N,)."""
    clear = np.ones(len(distance), np.bool_)
    for prop in stage.props:
        (left,) = np.nonzero(clear)
        origin, direction = rays.origin[:, left], rays.direction[:, left]
        struck = prop.intersect(origin, direction, distance[left]) < distance[left]
        clear[left[struck]] = False
    return clear
