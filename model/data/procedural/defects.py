"""The classes of defect and what binds each of them.

A class keeps its outline, polarity and material in every image, while size, place, count and
contrast vary.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from model.data.procedural import bodies, marks
from model.data.procedural.noise import Image, Painted
from model.data.procedural.surface import TEXTILES, TEXTURES
from model.data.procedural.textures import Texture

# (rng, surface, direction of light in radians, share of the image to cover) -> image, coverage
Paint = Callable[[np.random.Generator, Image, float, float], Painted]


class DefectKind(NamedTuple):
    """A class of defect: its name, how it is painted, its range of area and its surfaces."""

    name: str
    paint: Paint
    area: tuple[float, float]
    textures: tuple[Texture, ...] = TEXTURES


KINDS: tuple[DefectKind, ...] = (
    DefectKind("scratch", marks.scratch, (0.002, 0.02)),
    DefectKind("crack", marks.crack, (0.004, 0.03)),
    DefectKind("pit", bodies.pits, (0.002, 0.02)),
    DefectKind("stain", marks.stain, (0.005, 0.12)),
    DefectKind("dent", bodies.dent, (0.006, 0.1)),
    DefectKind("blister", bodies.blister, (0.004, 0.08)),
    DefectKind("hole", bodies.hole, (0.002, 0.08)),
    DefectKind("inclusion", bodies.inclusion, (0.002, 0.04)),
    DefectKind("weave_fault", marks.weave_fault, (0.006, 0.06), TEXTILES),
    DefectKind("edge_chip", bodies.edge_chip, (0.004, 0.06)),
    DefectKind("missing_print", marks.missing_print, (0.004, 0.06)),
    DefectKind("fibre", marks.fibre, (0.003, 0.015)),
    DefectKind("corrosion", bodies.corrosion, (0.006, 0.1)),
    DefectKind("scuff", marks.scuff, (0.008, 0.12)),
)
