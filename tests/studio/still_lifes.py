"""The pictures of rubber ducks: on tables, in company, under different light."""

import numpy as np

from tests.studio import clutter
from tests.studio.camera import Camera
from tests.studio.duck import duck
from tests.studio.ground import hang, lay
from tests.studio.picture import Picture
from tests.studio.scenes import DUCK, daylight, evening, key, place
from tests.studio.stage import Stage
from tests.studio.textures import EXTENT, cloth, planks, plaster, terrazzo, tiles

_RED, _BLUE, _GREEN = (0.5, 0.03, 0.025), (0.03, 0.1, 0.34), (0.05, 0.23, 0.09)
_CREAM, _TEAL, _BRICK = (0.68, 0.6, 0.46), (0.02, 0.2, 0.22), (0.4, 0.09, 0.04)
_BEECH, _NIGHT = (0.6, 0.42, 0.24), (0.02, 0.03, 0.06)


def _oak_table(rng: np.random.Generator) -> Stage:
    return Stage(
        (
            lay(planks(rng), EXTENT),
            hang(plaster(rng, paint=(0.5, 0.53, 0.5)), EXTENT, 7.0, 80),
            place(duck(), 0.0, 0.0, yaw=-55, label=DUCK),
            place(clutter.mug(_TEAL), -1.9, 1.9, yaw=-140),
            place(clutter.lemon(), 2.0, 0.5, 0.58, yaw=35, roll=20),
            place(clutter.book(_BRICK), 1.9, 2.4, yaw=20),
            place(clutter.pencil(_GREEN), -1.3, -0.9, 0.09, yaw=-24),
        ),
        (key(-4.5, -2.5, 6.0, warmth=0.15),),
        daylight(0.9, 2.6),
    )


def _linen(rng: np.random.Generator) -> Stage:
    return Stage(
        (
            lay(cloth(rng, warp=(0.3, 0.36, 0.45), weft=(0.55, 0.57, 0.58)), EXTENT),
            hang(plaster(rng, paint=(0.3, 0.22, 0.17)), EXTENT, 6.5, 100),
            place(duck(), 0.1, 0.1, yaw=-150, label=DUCK),
            place(clutter.rings(), 2.3, 1.4, yaw=20),
            place(clutter.block(_RED), -2.1, 0.9, yaw=30),
            place(clutter.block(_BEECH), -1.9, 0.9, 1.0, yaw=-10, scale=0.9),
        ),
        (key(4.5, -3.5, 5.5, size=2.2, power=22, warmth=0.1),),
        daylight(0.8, 0.9),
    )


def _kitchen(rng: np.random.Generator) -> Stage:
    return Stage(
        (
            lay(terrazzo(rng), EXTENT),
            hang(tiles(rng, glaze=(0.5, 0.55, 0.53)), EXTENT, 4.2, 95),
            place(duck((0.8, 0.44, 0.03), (0.62, 0.09, 0.01)), 0.3, 0.0, yaw=-15, label=DUCK),
            place(clutter.bottle(_GREEN), -1.7, 1.5, yaw=-70),
            place(clutter.mug(_CREAM), 2.6, 1.7, yaw=-30),
            place(clutter.lemon(), -1.7, -0.5, 0.58, yaw=70),
        ),
        (key(1.5, -3.5, 7.0, size=3.5, power=10, warmth=-0.1),),
        daylight(1.0, -2.3),
    )


def _toy_shelf(rng: np.random.Generator) -> Stage:
    return Stage(
        (
            lay(planks(rng, dark=(0.3, 0.2, 0.12), light=(0.66, 0.5, 0.33), boards=6), EXTENT),
            hang(plaster(rng, paint=(0.2, 0.3, 0.42)), EXTENT, 5.5, 90),
            place(duck(), -0.7, 0.3, yaw=-80, label=DUCK),
            place(clutter.ball((0.75, 0.7, 0.6), _RED), 1.7, 1.2, 1.0, yaw=30, pitch=35),
            place(clutter.rings(), -2.8, 1.4),
            place(clutter.block(_BLUE), 0.9, -0.7, yaw=25, scale=0.9),
            place(clutter.block((0.7, 0.46, 0.04)), 2.2, -0.5, yaw=-12, scale=0.9),
        ),
        (key(-3.5, -4.0, 5.5, size=3.0, power=14),),
        daylight(0.9, 0.4),
    )


def _evening_desk(rng: np.random.Generator) -> Stage:
    walnut = planks(rng, dark=(0.05, 0.022, 0.012), light=(0.2, 0.1, 0.05), gloss=0.24, boards=5)
    return Stage(
        (
            lay(walnut, EXTENT),
            hang(plaster(rng, paint=(0.2, 0.2, 0.24)), EXTENT, 8.0, 70),
            place(clutter.book(_BLUE), 0.1, 0.2, yaw=-12, scale=1.35),
            place(clutter.book(_GREEN), 0.0, 0.3, 0.54, yaw=14, scale=1.15),
            place(duck(), 0.1, 0.3, 1.0, yaw=-120, scale=0.72, label=DUCK),
            place(clutter.mug(_BRICK), 2.5, 0.5, yaw=-60),
            place(clutter.pencil((0.65, 0.4, 0.03)), -1.9, -0.9, 0.09, yaw=-58),
            place(clutter.bottle(_NIGHT), -2.3, 2.5, yaw=-100),
        ),
        (key(4.2, -1.4, 4.4, size=1.3, power=55, warmth=0.75),),
        evening(1.7),
    )


def _two_of_them(rng: np.random.Generator) -> Stage:
    return Stage(
        (
            lay(cloth(rng, warp=(0.5, 0.1, 0.08), weft=(0.62, 0.5, 0.42), threads=190), EXTENT),
            hang(plaster(rng, paint=(0.55, 0.5, 0.4)), EXTENT, 6.0, 90),
            place(duck(), -0.9, -0.2, yaw=-30, label=DUCK),
            place(duck((0.85, 0.6, 0.05)), 1.5, 1.1, yaw=-160, scale=0.7, label=DUCK),
            place(clutter.mug((0.07, 0.09, 0.12)), -2.3, 2.1, yaw=-35),
            place(clutter.lemon(), 1.5, -1.0, 0.58, yaw=-25, roll=80),
            place(clutter.roll(_TEAL), 3.2, 2.2, yaw=60),
        ),
        (key(-2.5, -4.5, 5.0, size=2.6, power=17, warmth=0.2),),
        daylight(0.8, 2.9),
    )


def _no_duck(rng: np.random.Generator) -> Stage:
    return Stage(
        (
            lay(planks(rng, dark=(0.16, 0.09, 0.05), light=(0.46, 0.32, 0.19), boards=9), EXTENT),
            hang(plaster(rng, paint=(0.42, 0.44, 0.42)), EXTENT, 6.5, 85),
            place(clutter.lemon(), -1.3, -0.5, 0.58, yaw=20),
            place(clutter.lemon(), 0.1, 0.3, 0.58, yaw=-70, roll=120),
            place(clutter.mug(_CREAM, (0.3, 0.12, 0.06)), 1.7, 0.9, yaw=-50),
            place(clutter.bottle(_TEAL), -0.9, 2.2, yaw=-110),
            place(clutter.ball((0.72, 0.42, 0.02), (0.7, 0.68, 0.6)), -3.0, 1.7, 0.9, scale=0.9),
        ),
        (key(3.8, -3.0, 5.5, size=2.6, power=17, warmth=0.1),),
        daylight(0.9, 2.3),
    )


STILL_LIFES = (
    Picture("support_duck_1", _oak_table, Camera((-0.6, -6.6, 2.9), (0.05, 0.2, 0.85), 34, 0.07)),
    Picture(
        "support_duck_2",
        _linen,
        Camera((-0.4, -5.6, 4.4), (0.05, 0.3, 0.75), 35, 0.06, (0, -0.4, 0.9)),
    ),
    Picture("support_duck_3", _kitchen, Camera((1.3, -6.3, 1.9), (0.3, 0.3, 1.0), 33, 0.05)),
    Picture(
        "query_1_shelf",
        _toy_shelf,
        Camera((0.6, -7.3, 2.4), (0.0, 0.2, 0.9), 33, 0.07, (-0.6, -0.4, 1)),
    ),
    Picture(
        "query_2_desk",
        _evening_desk,
        Camera((-1.4, -6.0, 3.4), (0.1, 0.3, 1.1), 36, 0.06, (0.1, -0.1, 1.8)),
        1.5,
    ),
    Picture(
        "query_3_pair",
        _two_of_them,
        Camera((0.5, -6.4, 3.6), (0.1, 0.3, 0.7), 36, 0.05, (-0.6, -0.5, 0.9), 3),
    ),
    Picture("query_4_lemons", _no_duck, Camera((0.3, -6.6, 2.8), (-0.2, 0.3, 0.8), 35, 0.07)),
)
