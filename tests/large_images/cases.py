"""What is measured: a class, its supports, and images in which it is looked for."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.large_images.composition import enlarged, extent, scattered, surface
from tests.large_images.pictures import Labelled, PictureSet

_SHOTS = 5
_DEFECTS = {2: "break", 3: "crack"}  # those of which many are about 40 pixels long
_DEFECT_EXTENT = range(25, 61)
_DEFECTS_IN_IMAGE = 6
_FOLD_0 = range(1, 6)
_OBJECT_SIDE = 160
_OBJECTS_IN_IMAGE = 4
_LEAST_OBJECT = 100  # pixels, so that an object is shrunk and not enlarged


class Case(NamedTuple):
    """A class and its images; they hold no support."""

    class_name: str
    supports: Sequence[Labelled]
    images: Iterator[Labelled]


def defects(data: Path, count: int, *, registered_large: bool) -> Iterator[Case]:
    """Defects of about 40 pixels on a surface of 12 megapixels.

    Args:
        data: with the sets.
        count: images of each class.
        registered_large: the supports are such images too, not pictures as they come.
    """
    tiles = PictureSet(data / "magnetic_tile")
    clean = list(tiles.read_all(tiles.lacking(list(tiles.names)), 1))
    for index, name in _DEFECTS.items():
        rng = np.random.default_rng(index)
        known = list(tiles.read_all(tiles.holding(index), index))
        small = [each for each in known if extent(each.mask) in _DEFECT_EXTENT]
        order = rng.permutation(len(small)).tolist()
        supports = [small[i] for i in order[:_SHOTS]]
        others = [small[i] for i in order[_SHOTS:]]
        if registered_large:
            supports = [surface(rng, clean, [support]) for support in supports]

        def images(
            rng: np.random.Generator = rng, others: list[Labelled] = others
        ) -> Iterator[Labelled]:
            for _ in range(count):
                chosen = rng.choice(len(others), _DEFECTS_IN_IMAGE, replace=False)
                yield surface(rng, clean, [others[i] for i in chosen.tolist()])

        yield Case(name, supports, images())


def photographs(data: Path, count: int, kind: str) -> Iterator[Case]:
    """Classes of fold 0 in photographs.

    Args:
        data: with the sets.
        count: images of each class.
        kind: `ordinary`: as they come; `enlarged`: to 12 megapixels; `scattered`: objects of 160
            pixels in a photograph of 12 megapixels that has none.
    """
    pascal = PictureSet(data / "pascal5i_val")
    grounds = pascal.lacking(list(_FOLD_0))
    for index in _FOLD_0:
        rng = np.random.default_rng((0, index))
        stems = rng.permutation(pascal.holding(index)).tolist()
        large = [
            each for each in pascal.read_all(stems[:60], index) if extent(each.mask) > _LEAST_OBJECT
        ]
        supports, others = large[:_SHOTS], large[_SHOTS:]
        make = _maker(kind, pascal, grounds, rng)
        yield Case(pascal.names[index], supports, make(others, count))


def _maker(
    kind: str, pascal: PictureSet, grounds: Sequence[str], rng: np.random.Generator
) -> Callable[[Sequence[Labelled], int], Iterator[Labelled]]:
    def make(others: Sequence[Labelled], count: int) -> Iterator[Labelled]:
        for number in range(count):
            if kind == "scattered":
                ground = pascal.read(grounds[int(rng.integers(len(grounds)))], 0)
                chosen = rng.choice(len(others), _OBJECTS_IN_IMAGE, replace=False).tolist()
                yield scattered(rng, ground, [others[i] for i in chosen], _OBJECT_SIDE)
            else:
                each = others[number % len(others)]
                yield enlarged(each) if kind == "enlarged" else each

    return make
