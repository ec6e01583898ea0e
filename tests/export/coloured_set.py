"""A labelled folder of coloured rectangles, which the tiny bundle tells apart."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Colour = tuple[int, int, int]

COLOURS: tuple[Colour, ...] = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))


def write_coloured_set(root: Path, colours: Sequence[Colour] = COLOURS, ground: int = 128) -> Path:
    """Three images of each colour on grey; returns the folder."""
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    rows = [f"{c},colour{c}" for c in range(1, len(colours) + 1)]
    (root / "classes.csv").write_text("\n".join(["index,name", "0,background", *rows]) + "\n")
    for c, colour in enumerate(colours, start=1):
        for number in range(3):
            label = np.zeros((40, 48), np.uint8)
            label[4 : 20 + 4 * number, 8 : 32 + 2 * number] = c
            pixels = np.where(label[..., None] > 0, np.array(colour, np.uint8), np.uint8(ground))
            Image.fromarray(pixels).save(root / "images" / f"{c}{number}.jpg", quality=95)
            Image.fromarray(label).save(root / "labels" / f"{c}{number}.png")
    return root
