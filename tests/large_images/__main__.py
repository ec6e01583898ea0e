"""`python -m tests.large_images --data DIR`: whole images, tiles, and the choice between them.

Everything goes through the service's own application, with the shipped bundle.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from rich.console import Console
from rich.table import Table

from service.app import create_app
from service.settings import Settings
from tests.large_images.cases import Case, defects, photographs
from tests.large_images.pictures import Labelled
from tests.service.http_api import post_segment, post_support, running
from tests.service.pictures import Picture

MODES = ("whole", "tiled", "auto")
_SECTIONS: dict[str, Callable[[Path, int], Iterator[Case]]] = {
    "defects of 40 px in 12 MP": partial(defects, registered_large=False),
    "the same, registered in 12 MP": partial(defects, registered_large=True),
    "objects of 160 px in 12 MP": partial(photographs, kind="scattered"),
    "photographs enlarged to 12 MP": partial(photographs, kind="enlarged"),
    "ordinary photographs": partial(photographs, kind="ordinary"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write `large-images.json` and pictures."""
    args = _parser().parse_args(arguments)
    if not (args.data / "magnetic_tile").is_dir():
        print(f"no set magnetic_tile in {args.data}: give the folder of sets", file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    rows = asyncio.run(_measure(args))
    (args.out / "large-images.json").write_text(json.dumps(rows, indent=1))
    table = Table("images", "class", "n", *(f"{mode} IoU, s" for mode in MODES))
    for row in rows:
        cells = (f"{row[mode]['iou']:.1f}, {row[mode]['seconds']:.2f}" for mode in MODES)
        table.add_row(row["images"], row["class"], str(row["count"]), *cells)
    Console(width=120).print(table)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.large_images", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, default=Path("out/large-images"))
    parser.add_argument("--count", type=int, default=2, help="large images of each class")
    parser.add_argument("--ordinary", type=int, default=20, help="ordinary ones of each class")
    return parser


async def _measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    # No encoding is kept, so that every mode pays for its own.
    settings = Settings(
        decode_cache_bytes=0,
        encode_cache_bytes=0,
        prediction_cache_bytes=0,
        deadline_s=600,
        max_body_bytes=512 * 2**20,
    )
    async with running(create_app(settings)) as client:
        client.timeout = httpx.Timeout(600)
        for section, make in _SECTIONS.items():
            count = args.ordinary if section == "ordinary photographs" else args.count
            for case in make(args.data, count):
                row = await _judge(client, case, args.out / f"{section} {case.class_name}.png")
                rows.append({"images": section, "class": case.class_name, **row})
                print(json.dumps(rows[-1]), flush=True)
    return rows


async def _judge(client: httpx.AsyncClient, case: Case, drawing: Path) -> dict[str, Any]:
    """IoU over all images of a case, in percent, and mean seconds, for each mode."""
    supports = [Picture(each.image, each.mask) for each in case.supports]
    answer = await post_support(client, supports, case.class_name)
    session_id = answer.raise_for_status().json()["session_id"]
    common: defaultdict[str, int] = defaultdict(int)
    either: defaultdict[str, int] = defaultdict(int)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for number, image in enumerate(case.images):
        drawn = []
        for mode in MODES:
            start = time.perf_counter()
            found = await _segment(client, session_id, image, mode)
            seconds[mode].append(time.perf_counter() - start)
            counted = ~image.ignored
            common[mode] += int((found & image.mask & counted).sum())
            either[mode] += int(((found | image.mask) & counted).sum())
            drawn.append(_drawn(image, found))
        if number == 0:
            cv2.imwrite(str(drawing), np.hstack(drawn)[..., ::-1])
    figures = {
        mode: {
            "iou": 100 * common[mode] / max(1, either[mode]),
            "seconds": float(np.mean(seconds[mode])),
        }
        for mode in MODES
    }
    return {"count": number + 1, **figures}


async def _segment(
    client: httpx.AsyncClient, session_id: str, image: Labelled, mode: str
) -> NDArray[np.bool_]:
    picture = Picture(image.image, image.mask)
    answer = await post_segment(client, session_id, [picture], mode=mode)
    (found,) = answer.raise_for_status().json()["results"][0]["classes"]
    return np.asarray(coco_mask.decode(found["mask"]), np.bool_)


def _drawn(image: Labelled, found: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The image at a width of 1000 pixels: red what was found, green the outline of the truth."""
    size = (1000, round(1000 * image.mask.shape[0] / image.mask.shape[1]))
    small = cv2.resize(image.image, size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(found.astype(np.float32), size, interpolation=cv2.INTER_AREA)[..., None]
    small = (small * (1 - share / 2) + share / 2 * np.array([255, 0, 0])).astype(np.uint8)
    truth = cv2.resize(image.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.2
    outlines, _ = cv2.findContours(truth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(small, outlines, -1, (0, 255, 0), 1), np.uint8)


if __name__ == "__main__":
    sys.exit(main())
