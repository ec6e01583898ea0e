"""The tour: register both classes, segment every query, write what was found."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.client import Client, Session
from service.demo.overlay import Picture, contact_sheet, overlay
from service.demo.table import Row, iou
from service.samples import CLASSES, Sample, queries, supports

_SHEET_COLUMNS = 3
_SHEET_WIDTH_PX = 560


def run_tour(url: str, out: Path) -> list[Row]:
    """Show the service at `url` all samples; write overlays, masks and `overview.jpg` to `out`.

    Raises:
        service.client.ClientError: a request failed or was answered wrongly.
        FileNotFoundError: samples are missing.
    """
    supported = [_drawn_support(shot, name) for name in CLASSES for shot in supports(name)]
    answered, rows = list[Picture](), list[Row]()
    with Client(url) as client:
        session = client.session()
        _register_all(session)
        for query in queries():
            start = time.perf_counter()
            found = session.segment(query.jpeg())
            milliseconds = 1000 * (time.perf_counter() - start)
            masks = {name: each.mask for name, each in found.classes.items()}
            rows += _judged(query, masks, milliseconds)
            answered.append(_written(query, masks, out))
    sheet = contact_sheet([*supported, *answered], columns=_SHEET_COLUMNS, width=_SHEET_WIDTH_PX)
    Image.fromarray(sheet).save(out / "overview.jpg", quality=90)
    return rows


def _register_all(session: Session) -> None:
    """Register every class."""
    for class_name in CLASSES:
        shots = supports(class_name)
        masks = [shot.mask_png(class_name) for shot in shots]
        answer = session.register(class_name, [shot.jpeg() for shot in shots], masks)
        print(f"registered {class_name}: {answer.shots} shots, model {answer.model}")
        for warning in answer.warnings:
            print(f"  warning: {warning}")


def _drawn_support(shot: Sample, class_name: str) -> Picture:
    masks = {name: shot.mask(name) & (name == class_name) for name in CLASSES}
    return overlay(shot.pixels(), masks)


def _judged(
    query: Sample, masks: Mapping[str, NDArray[np.bool_]], milliseconds: float
) -> Iterator[Row]:
    for name, mask in masks.items():
        score = iou(mask, query.mask(name))
        yield Row(query.name, name, score, float(mask.mean()), milliseconds)


def _written(query: Sample, masks: Mapping[str, NDArray[np.bool_]], out: Path) -> Picture:
    """Write the masks and the overlay of a query; the overlay."""
    for class_name, mask in masks.items():
        grey = Image.fromarray(mask.astype(np.uint8) * 255)
        grey.save(out / f"{query.name}.{class_name}.png")
    drawn = overlay(query.pixels(), masks)
    Image.fromarray(drawn).save(out / f"{query.name}.overlay.jpg", quality=92)
    return drawn
