"""Scenes in which the network fails in a known way, photographed by the samples' own studio."""

from collections.abc import Callable

import numpy as np

from tests.studio import clutter
from tests.studio.camera import Camera
from tests.studio.duck import duck
from tests.studio.ground import Maps, hang, lay
from tests.studio.picture import Picture
from tests.studio.prop import Solid
from tests.studio.scenes import DUCK, daylight, key, place
from tests.studio.stage import Stage
from tests.studio.textures import EXTENT, cloth, planks, plaster, terrazzo

PENCIL, LEMON = "pencil", "lemon"
_RED, _BLUE, _GREEN = (0.5, 0.03, 0.025), (0.03, 0.1, 0.34), (0.05, 0.23, 0.09)
_YELLOW, _CREAM, _TEAL = (0.75, 0.5, 0.04), (0.68, 0.6, 0.46), (0.02, 0.2, 0.22)


_Ground = Callable[[np.random.Generator], Maps]


def _planks(rng: np.random.Generator) -> Maps:
    return planks(rng, boards=6)


def _cloth(rng: np.random.Generator) -> Maps:
    return cloth(rng, warp=(0.3, 0.36, 0.45), weft=(0.55, 0.57, 0.58))


def _scene(name: str, ground: _Ground, *props: Solid, distance: float = 1) -> Picture:
    """Props on a ground before a wall, seen from `distance` times the usual one."""

    def build(rng: np.random.Generator) -> Stage:
        wall = hang(plaster(rng, paint=(0.5, 0.53, 0.5)), EXTENT, 6.5, 90)
        lamp = key(-3.5, -4.0, 5.5, size=3.0, power=14)
        return Stage((lay(ground(rng), EXTENT), wall, *props), (lamp,), daylight(0.9, 0.4))

    eye = (0.3 * distance, -6.4 * distance, 3.4 * distance)
    return Picture(name, build, Camera(eye, (0.0, 0.4, 0.6), 35, 0.04))


SCENES = (
    _scene(
        "support_pencil_1",
        _planks,
        place(clutter.pencil(_RED), -0.6, -0.3, 0.09, yaw=-24, label=PENCIL),
        place(clutter.mug(_TEAL), 1.7, 1.2, yaw=-140),
    ),
    _scene(
        "support_pencil_2",
        _cloth,
        place(clutter.pencil(_BLUE), 0.4, -0.4, 0.09, yaw=40, label=PENCIL),
        place(clutter.block(_RED), -1.8, 0.9, yaw=30),
    ),
    _scene(
        "thin",
        terrazzo,
        place(clutter.pencil(_GREEN), -1.1, -0.7, 0.09, yaw=15, label=PENCIL),
        place(clutter.pencil(_YELLOW), 1.3, 0.2, 0.09, yaw=-50, label=PENCIL),
        place(clutter.book(_BLUE), -1.6, 1.6, yaw=20),
        place(clutter.lemon(), 1.9, -0.8, 0.58, yaw=30),
    ),
    _scene(
        "support_lemon_1",
        _planks,
        place(clutter.lemon(), -0.3, -0.1, 0.58, yaw=20, label=LEMON),
        place(clutter.mug(_CREAM), 1.8, 1.2, yaw=-140),
    ),
    _scene(
        "support_lemon_2",
        _cloth,
        place(clutter.lemon(), 0.3, 0.0, 0.58, yaw=-60, label=LEMON),
        place(clutter.bottle(_GREEN), -1.8, 1.5, yaw=-70),
    ),
    _scene(
        "alike",
        terrazzo,
        place(clutter.lemon(), -1.6, -0.2, 0.58, yaw=35, label=LEMON),
        place(clutter.ball(_YELLOW), 1.6, 0.4, 0.7, scale=0.7),
        place(clutter.block(_YELLOW), 0.1, -0.7, yaw=20, scale=0.9),
        place(duck(), -0.2, 1.6, yaw=-60, scale=0.8),
    ),
    _scene(
        "tiny",
        terrazzo,
        place(duck(), -1.6, 0.0, yaw=-60, scale=0.42, label=DUCK),
        place(clutter.mug(_TEAL), 1.9, 1.2, yaw=-140),
        place(clutter.book(_RED), 0.4, 0.6, yaw=20),
        place(clutter.bottle(_GREEN), -3.2, 2.2, yaw=-70),
        distance=2.2,
    ),
    _scene(
        "touching",
        _cloth,
        place(duck(), -1.5, 0.2, yaw=-80, scale=0.8, label=DUCK),
        place(duck(), 0.0, 0.0, yaw=-100, scale=0.8, label=DUCK),
        place(duck(), 1.5, 0.2, yaw=-70, scale=0.8, label=DUCK),
        place(clutter.mug(_TEAL), 2.4, 2.4, yaw=-140),
    ),
)
