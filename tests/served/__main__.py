"""`python -m tests.served --data SET`: masks as users get them, bundle beside bundle.

Episodes go through the service's own application with everything as it comes: precision, report,
calibrated threshold, `adapt=auto`, `mode=auto`, the presence of the class. All numbers of shots are
measured on the same queries, by the first of the same supports.
"""

import argparse
import asyncio
import base64
import json
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.cli.types import integers, positive
from model.data.datasets import DatasetError, FolderDataset
from model.data.episodes import MIN_AREA, Episode, asked_classes, binary_labels
from model.evaluation import IoUTotals
from model.evaluation.absence import AbsenceList, absent_queries
from model.evaluation.presence import presence_auroc
from service.app import create_app
from service.settings import SHIPPED_BUNDLES, Settings
from tests.service.http_api import post_segment, post_support, running
from tests.service.pictures import Picture


class _Found(NamedTuple):
    """The mask (H, W) of a query, and what is said of the presence of its class."""

    mask: NDArray[np.bool_]
    presence: float
    present: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write it as JSON; 2 where the set cannot be used."""
    args = _parser().parse_args(arguments)
    try:
        dataset = FolderDataset(args.data)
        classes = asked_classes(dataset, args.folds, args.min_area)
        absent = absent_queries(dataset, classes) if args.absent else {}
        drawn = AbsenceList(classes, absent, args.absent, max(args.shots), args.episodes, args.seed)
        episodes = _cut([drawn.draw(k) for k in range(args.episodes)], args.shots)
    except (DatasetError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 2
    named = {"miou": "mIoU, %", "mean_of_images": "mean of images, %"}
    if args.absent:
        named |= {"miou_gated": "mIoU gated, %", "auroc": "AUROC, %"}
        named |= {"present_kept": "present kept, %", "absent_emptied": "absent emptied, %"}
    table = Table("bundle", "shots", "episodes", *named.values())
    rows = []
    for bundle in args.bundles.split(","):
        for row in asyncio.run(_measure(dataset, episodes, bundle)):
            rows.append(row)
            figures = (f"{row[name]:.1f}" for name in named)
            table.add_row(bundle, str(row["shots"]), str(row["episodes"]), *figures)
    Console(width=100).print(table)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _cut(
    drawn: Sequence[tuple[Episode, bool]], counts: Sequence[int]
) -> dict[int, list[tuple[Episode, bool]]]:
    """By number of shots: the same queries, by the first of their supports."""
    return {
        count: [(e._replace(supports=e.supports[:count]), holds) for e, holds in drawn]
        for count in counts
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.served", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of one set")
    parser.add_argument("--bundles", default="base,lite", help="names of shipped bundles")
    parser.add_argument("--folds", type=integers, help="PASCAL-5i folds; none: every class")
    parser.add_argument("--shots", type=integers, default=(1, 5), help="such as 1,5")
    parser.add_argument("--episodes", type=positive, default=60, help="of each number of shots")
    parser.add_argument(
        "--absent", type=float, default=0.0, help="share of queries that lack the class, below 1"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the episode lists")
    parser.add_argument("--min-area", type=int, default=MIN_AREA, help="pixels of a class")
    parser.add_argument("--json", type=Path, default=Path("out/served.json"), help="to write")
    return parser


async def _measure(
    dataset: FolderDataset, episodes: dict[int, list[tuple[Episode, bool]]], bundle: str
) -> list[dict[str, Any]]:
    """A row for each number of shots."""
    rows = []
    async with running(create_app(Settings(bundle=SHIPPED_BUNDLES / bundle))) as client:
        client.timeout = httpx.Timeout(120)
        for shots, drawn in episodes.items():
            totals, gated, images, found = IoUTotals(), IoUTotals(), [], []
            shown = track(drawn, f"{bundle}, {shots}", disable=not sys.stderr.isatty())
            for episode, holds in shown:
                answer = await _ask(client, dataset, episode)
                found.append(answer)
                _, label = dataset.read(episode.query)
                truth = binary_labels(label, episode.class_index)
                totals.update(episode.class_index, answer.mask, truth)
                gated.update(episode.class_index, answer.mask & answer.present, truth)
                if holds:
                    image = IoUTotals()
                    image.update(episode.class_index, answer.mask, truth)
                    images.append(image.mean_iou())
            row = {"set": dataset.name, "bundle": bundle, "shots": shots, "episodes": len(drawn)}
            row["miou"] = 100 * totals.mean_iou()
            row["mean_of_images"] = 100 * float(np.mean(images))
            if len(images) < len(drawn):
                row["miou_gated"] = 100 * gated.mean_iou()
                row |= _presence_figures([holds for _, holds in drawn], found)
            rows.append(row)
    return rows


def _presence_figures(holds: Sequence[bool], found: Sequence[_Found]) -> dict[str, float]:
    """In percent, like all figures here."""
    present, kept = np.array(holds), np.array([each.present for each in found])
    return {
        "auroc": 100 * presence_auroc(holds, [each.presence for each in found]),
        "present_kept": 100 * float(kept[present].mean()),
        "absent_emptied": 100 * float((~kept[~present]).mean()),
    }


async def _ask(client: httpx.AsyncClient, dataset: FolderDataset, episode: Episode) -> _Found:
    """The answer to an episode's query, by a session of its own."""
    supports = [_picture(dataset, number, episode.class_index) for number in episode.supports]
    registered = await post_support(client, supports)
    session = registered.raise_for_status().json()["session_id"]
    query = _picture(dataset, episode.query, episode.class_index)
    answer = (await post_segment(client, session, [query], output="png")).raise_for_status().json()
    (await client.delete(f"/sessions/{session}")).raise_for_status()
    (shown,) = answer["results"][0]["classes"]
    mask = np.asarray(Image.open(BytesIO(base64.b64decode(shown["mask"])))) > 0
    return _Found(mask, shown["presence"], shown["present"])


def _picture(dataset: FolderDataset, number: int, class_index: int) -> Picture:
    image, label = dataset.read(number)
    return Picture(image, label == class_index)


if __name__ == "__main__":
    sys.exit(main())
