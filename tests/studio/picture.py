"""A picture to be taken: its stage, its camera and its exposure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.studio.camera import Camera, develop
from tests.studio.exposure import expose
from tests.studio.stage import Stage
from tests.studio.vectors import Bool


@dataclass(frozen=True)
class Picture:
    """A stage built from a random generator, and how it is photographed."""

    name: str
    stage: Callable[[np.random.Generator], Stage]
    camera: Camera
    exposure: float = 1.2


class Photograph(NamedTuple):
    """An sRGB image (H, W, 3) and the mask (H, W) of every class in it."""

    image: NDArray[np.uint8]
    masks: dict[str, Bool]


def take(picture: Picture, shape: tuple[int, int], *, passes: int, seed: int) -> Photograph:
    """Photograph a picture at `shape` (height, width); the same seed gives the same bytes."""
    own_seed = [seed, *picture.name.encode()]
    stage = picture.stage(np.random.default_rng(own_seed))
    grain = np.random.default_rng([*own_seed, 1])
    plate = expose(stage, picture.camera, shape, passes=passes, seed=int(grain.integers(1 << 31)))
    return Photograph(develop(plate.light, grain, exposure=picture.exposure), plate.masks)
