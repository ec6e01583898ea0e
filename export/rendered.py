"""Rendered defects, for gates and benchmarks that are given no set."""

from model.data.datasets import ProceduralDefects

_MIN_SIDE = 64  # pixels, of what can be rendered


def rendered_defects(*, per_class: int, side: int) -> ProceduralDefects:
    """Images of a network's input side, or of the smallest that can be rendered."""
    return ProceduralDefects(per_class=per_class, side=max(side, _MIN_SIDE))
