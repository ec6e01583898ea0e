"""A photograph of a surface with a defect, other defects beside it, and the mask."""

import numpy as np
from numpy.typing import NDArray

from model.data.procedural.camera import expose, illuminate
from model.data.procedural.defects import KINDS, DefectKind
from model.data.procedural.noise import Field, Image, Painted, log_uniform, uniform
from model.data.procedural.surface import lay_surface

DEFECT_CLASSES: tuple[str, ...] = tuple(kind.name for kind in KINDS)

_MIN_SHARE, _MAX_SHARE = 0.001, 0.15
_ATTEMPTS = 12
_CLUTTER_CHANCE = 0.5
# An edge chip redraws the part's outline and a print covers the whole image: not clutter.
_CLUTTER = tuple(kind for kind in KINDS if kind.name not in {"edge_chip", "missing_print"})


def render_defect(
    class_index: int, rng: np.random.Generator, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Photograph a surface with a defect of one class.

    Args:
        class_index: index into `DEFECT_CLASSES`.
        rng: source of every choice; the same state gives the same image.
        side: side of the image in pixels, at least 64.

    Returns:
        RGB image (side, side, 3) and mask (side, side), 1 on the defect (0.1 % to 15 %), else 0.

    Raises:
        ValueError: side is below 64.
        IndexError: there is no such class.
    """
    if side < 64:
        raise ValueError(f"side must be at least 64 pixels, got {side}")
    if not 0 <= class_index < len(KINDS):
        raise IndexError(f"no defect class {class_index}")
    kind = KINDS[class_index]
    light = uniform(rng, 0, 2 * np.pi)
    surface = lay_surface(rng, side, kind.textures)
    if rng.random() < _CLUTTER_CHANCE:
        surface = _scatter_clutter(rng, surface, kind, light)
    painted, coverage = _paint_within_bounds(rng, surface, kind, light)
    mask = np.asarray(coverage > 0.5, np.uint8)
    return expose(rng, illuminate(rng, painted)), mask


def _scatter_clutter(
    rng: np.random.Generator, surface: Image, wanted: DefectKind, light: float
) -> Image:
    """Add one or two defects of other classes."""
    others = [kind for kind in _CLUTTER if kind is not wanted]
    for index in rng.choice(len(others), int(rng.integers(1, 3)), replace=False).tolist():
        low, high = others[index].area
        surface, _ = others[index].paint(rng, surface, light, log_uniform(rng, low, high / 2))
    return surface


def _paint_within_bounds(
    rng: np.random.Generator, surface: Image, kind: DefectKind, light: float
) -> Painted:
    """Paint until the area is within bounds; random outlines sometimes leave the image."""
    scale = log_uniform(rng, *kind.area)
    for _ in range(_ATTEMPTS):
        painted, coverage = kind.paint(rng, surface, light, scale)
        share = _share(coverage)
        if _MIN_SHARE <= share <= _MAX_SHARE:
            return painted, coverage
        scale *= 1.6 if share < _MIN_SHARE else 0.6
    raise RuntimeError(f"{kind.name}: no outline within bounds in {_ATTEMPTS} attempts")


def _share(coverage: Field) -> float:
    return float(np.mean(coverage > 0.5))
