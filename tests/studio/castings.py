"""The pictures of metal: casting pits on machined and raw surfaces, seen close up."""

from collections.abc import Callable

import numpy as np

from tests.studio import clutter
from tests.studio.camera import Camera
from tests.studio.duck import duck
from tests.studio.ground import hang, lay
from tests.studio.picture import Picture
from tests.studio.scenes import DUCK, PIT, key, place, workshop
from tests.studio.stage import Stage
from tests.studio.surface import ALUMINIUM, BRASS, CAST_IRON, STEEL, Colour, Pit, machined
from tests.studio.textures import EXTENT, plaster

_PATCH = 7.0


def _specimen(
    pits: tuple[Pit, ...],
    metal: Colour,
    finish: str,
    lamp: tuple[float, float, float],
    *,
    rust: float = 0.5,
    azimuth: float = 1.2,
    power: float = 3.4,
) -> Callable[[np.random.Generator], Stage]:
    """A stage with one metal patch, its pits placed in 0..1 of the patch, and one lamp."""

    def build(rng: np.random.Generator) -> Stage:
        maps = machined(rng, extent=_PATCH, metal=metal, pits=pits, finish=finish, rust=rust)
        relief = float(-maps.height.min()) + 1e-3
        plate = lay(maps, _PATCH, relief=relief, label=PIT)
        return Stage((plate,), (key(*lamp, size=5.5, power=power),), workshop(1.3, azimuth))

    return build


def _duck_on_steel(rng: np.random.Generator) -> Stage:
    pits = (Pit(0.31, 0.4, 0.034, 1.2, 20), Pit(0.66, 0.4, 0.04, 1.1, 100), Pit(0.43, 0.34, 0.018))
    maps = machined(rng, extent=12.0, metal=STEEL, pits=pits, finish="brushed", rust=0.35)
    relief = float(-maps.height.min()) + 1e-3
    return Stage(
        (
            lay(maps, 12.0, relief=relief, label=PIT),
            hang(plaster(rng, paint=(0.5, 0.54, 0.56)), EXTENT, 6.5, 90),
            place(duck(), 0.2, 0.0, yaw=-125, label=DUCK),
            place(clutter.bottle((0.04, 0.09, 0.26)), -2.4, 2.2, yaw=-80),
            place(clutter.block((0.4, 0.07, 0.03)), 2.6, 1.4, yaw=20),
        ),
        (key(-4.5, -6.0, 6.0, size=3.2, power=17),),
        workshop(1.5, 1.9),
    )


_LOW, _STEEP = (0.2, -4.2, 4.6), (-0.5, -2.6, 5.4)

CASTINGS = (
    Picture(
        "support_pit_1",
        _specimen(
            (Pit(0.46, 0.5, 0.062, 1.15, 30), Pit(0.63, 0.6, 0.024)),
            STEEL,
            "brushed",
            (-4, 1.5, 4.5),
        ),
        Camera(_LOW, (0.0, 0.1, 0.0), 33, 0.05),
    ),
    Picture(
        "support_pit_2",
        _specimen(
            (
                Pit(0.55, 0.5, 0.056, 1.3, 110),
                Pit(0.38, 0.42, 0.03, 1.1, 10),
                Pit(0.43, 0.62, 0.02),
            ),
            ALUMINIUM,
            "turned",
            (3.5, 2.5, 4.5),
            rust=0.2,
        ),
        Camera(_STEEP, (0.0, 0.1, 0.0), 31, 0.05),
        0.9,
    ),
    Picture(
        "support_pit_3",
        _specimen(
            (Pit(0.42, 0.46, 0.045), Pit(0.6, 0.52, 0.052, 1.2, 60), Pit(0.52, 0.64, 0.026)),
            CAST_IRON,
            "blasted",
            (-2.6, 3.4, 3.6),
            rust=0.3,
            power=4.2,
        ),
        Camera((0.8, -3.6, 4.6), (0.05, 0.1, 0.0), 33, 0.05),
        1.3,
    ),
    Picture(
        "query_5_steel",
        _specimen(
            (
                Pit(0.37, 0.55, 0.042, 1.25, 140),
                Pit(0.58, 0.46, 0.06, 1.1, 20),
                Pit(0.5, 0.63, 0.019),
            ),
            STEEL,
            "brushed",
            (3.2, 2.6, 4.2),
            rust=0.65,
            azimuth=1.7,
        ),
        Camera((-0.9, -3.7, 4.7), (0.0, 0.1, 0.0), 33, 0.05, None, 7),
    ),
    Picture(
        "query_6_brass",
        _specimen(
            (Pit(0.48, 0.44, 0.058, 1.2, 75), Pit(0.62, 0.6, 0.033), Pit(0.34, 0.4, 0.026, 1.3)),
            BRASS,
            "turned",
            (-3.5, 2.5, 4.5),
            rust=0.25,
        ),
        Camera((0.3, -3.2, 5.0), (0.0, 0.1, 0.0), 32, 0.05),
        0.95,
    ),
    Picture(
        "query_7_iron",
        _specimen(
            (Pit(0.55, 0.55, 0.066, 1.15, 15), Pit(0.4, 0.44, 0.034, 1.2, 120)),
            CAST_IRON,
            "blasted",
            (-3.4, 3.0, 3.4),
            rust=0.35,
            power=4.2,
            azimuth=0.4,
        ),
        Camera((-0.6, -3.9, 4.4), (0.0, 0.1, 0.0), 33, 0.05),
        1.3,
    ),
    Picture("query_8_both", _duck_on_steel, Camera((-0.2, -6.9, 3.9), (0.0, 0.0, 0.55), 34, 0.05)),
    Picture(
        "query_9_clean",
        _specimen((), ALUMINIUM, "brushed", (3.0, 2.6, 4.4), rust=0.0, azimuth=1.9),
        Camera((0.5, -3.8, 4.6), (0.0, 0.1, 0.0), 33, 0.05, None, -5),
        0.9,
    ),
)
