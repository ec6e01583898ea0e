"""`python -m tests.limits --out docs/limits`: pictures of what the network is bad at.

Each is an image, what the service finds in it, and the truth. Scenes are rendered, which takes some
minutes; classes are registered with the service's own application and the shipped bundle.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from service.app import create_app
from service.demo.overlay import overlay
from service.samples import SAMPLES, Sample
from service.settings import Settings
from tests.limits.scenes import LEMON, PENCIL, SCENES
from tests.service.http_api import files, running
from tests.studio.__main__ import save
from tests.studio.picture import take
from tests.studio.scenes import DUCK, PIT

_SHAPE = (480, 640)
_WIDTH = 320


class Limit(NamedTuple):
    """A class, the image that it is looked for in, and how it is registered, once or more often."""

    name: str
    class_name: str
    query: str
    adapt: tuple[str, ...] = ("auto",)


_LIMITS = (
    Limit("thin", PENCIL, "thin"),
    Limit("tiny", DUCK, "tiny"),
    Limit("alike", LEMON, "alike"),
    Limit("touching", DUCK, "touching"),
    Limit("surfaces", PIT, "query_6_brass", ("false", "true")),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Render what is not there yet, ask, print figures, and write a picture for each limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.limits", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/limits"), help="for the pictures")
    parser.add_argument("--scenes", type=Path, default=Path("out/limits/scenes"))
    parser.add_argument("--passes", type=int, default=10, help="rays a pixel")
    parser.add_argument("--jobs", type=int, default=1, help="processes that render")
    args = parser.parse_args(arguments)
    args.scenes.mkdir(parents=True, exist_ok=True)
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = [i for i, scene in enumerate(SCENES) if not _sample(args.scenes, scene.name)]
    with ProcessPoolExecutor(args.jobs) as pool:
        list(pool.map(partial(_render, out=args.scenes, passes=args.passes), wanted))
    logging.disable(logging.WARNING)  # readiness is asked for until it is there
    asyncio.run(_write_all(args.scenes, args.out))
    return 0


def _render(index: int, *, out: Path, passes: int) -> None:
    save(take(SCENES[index], _SHAPE, passes=passes, seed=1), out, SCENES[index].name)


def _sample(scenes: Path, name: str) -> Sample | None:
    """A picture of the scenes here or of the samples."""
    found = (Sample(folder, name) for folder in (scenes, SAMPLES))
    return next((each for each in found if (each.folder / f"{name}.jpg").exists()), None)


def _supports(scenes: Path, class_name: str) -> Iterator[Sample]:
    for number in (1, 2, 3):
        if sample := _sample(scenes, f"support_{class_name}_{number}"):
            yield sample


async def _write_all(scenes: Path, out: Path) -> None:
    async with running(create_app(Settings())) as client:
        for limit in _LIMITS:
            query = _sample(scenes, limit.query)
            assert query is not None
            truth = query.mask(limit.class_name)
            shots = list(_supports(scenes, limit.class_name))
            found = [
                await _find(client, limit.class_name, shots, query, adapt) for adapt in limit.adapt
            ]
            for adapt, mask in zip(limit.adapt, found, strict=True):
                iou = np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)
                regions = cv2.connectedComponents(mask.view(np.uint8))[0] - 1
                print(
                    f"{limit.name}: adapt={adapt}, {len(shots)} shots, "
                    f"object {truth.mean():.2%} of the image, IoU {iou:.2f}, {regions} regions"
                )
            row = _row(query.pixels(), limit.class_name, [*found, truth])
            Image.fromarray(row).save(out / f"{limit.name}.webp", quality=80, method=6)


async def _find(
    client: httpx.AsyncClient, class_name: str, shots: Sequence[Sample], query: Sample, adapt: str
) -> NDArray[np.bool_]:
    """Where a class of these shots is found in a query (H, W)."""
    answer = await client.post(
        "/support",
        data={"class_name": class_name, "adapt": adapt},
        files=files("images", [shot.jpeg() for shot in shots])
        + files("masks", [shot.mask_png(class_name) for shot in shots]),
    )
    session_id = answer.raise_for_status().json()["session_id"]
    answer = await client.post(
        "/segment",
        data={"session_id": session_id},
        files=files("images", [query.jpeg()]),
    )
    (found,) = answer.raise_for_status().json()["results"][0]["classes"]
    return np.asarray(coco_mask.decode(found["mask"]), np.bool_)


def _row(
    image: NDArray[np.uint8], class_name: str, masks: Sequence[NDArray[np.bool_]]
) -> NDArray[np.uint8]:
    """The image, then the image under each mask, side by side."""
    drawn = [image, *(overlay(image, {class_name: mask}) for mask in masks)]
    size = (_WIDTH, _WIDTH * image.shape[0] // image.shape[1])
    return np.hstack([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in drawn])


if __name__ == "__main__":
    sys.exit(main())
