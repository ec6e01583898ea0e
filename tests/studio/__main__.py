"""Take the sample photographs: `python -m tests.studio --out DIR`.

Deterministic for a seed. One to two minutes of processor time a picture; see `--jobs`.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from service.samples import image_path, mask_path
from tests.studio.catalogue import PICTURES
from tests.studio.picture import Photograph, take

_JPEG_QUALITY = 92


def render(index: int, *, out: Path, height: int, passes: int, seed: int) -> str:
    """Take picture `index` of the catalogue, 4:3, write its files, return its name."""
    picture = PICTURES[index]
    photograph = take(picture, (height, height * 4 // 3), passes=passes, seed=seed)
    save(photograph, out, picture.name)
    return picture.name


def save(photograph: Photograph, out: Path, name: str) -> None:
    """Write a photograph and the mask of every class in it, named as the samples are."""
    image = Image.fromarray(photograph.image)
    image.save(image_path(out, name), quality=_JPEG_QUALITY, subsampling=0)
    for label, mask in photograph.masks.items():
        if mask.any():
            grey = Image.fromarray(mask.astype(np.uint8) * 255)
            grey.save(mask_path(out, name, label), optimize=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.studio", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for images and masks")
    parser.add_argument("--only", default="", help="names that contain this text")
    parser.add_argument("--height", type=int, default=600, help="pixels; width is 4/3 of it")
    parser.add_argument("--passes", type=int, default=20, help="rays a pixel")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Render the pictures asked for."""
    args = _arguments(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    task = partial(render, out=args.out, height=args.height, passes=args.passes, seed=args.seed)
    chosen = [index for index, picture in enumerate(PICTURES) if args.only in picture.name]
    with ProcessPoolExecutor(args.jobs) as pool:
        for name in pool.map(task, chosen):
            print(name, flush=True)


if __name__ == "__main__":
    main()
