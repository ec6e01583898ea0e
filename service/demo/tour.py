"""The tour: register both classes, segment every query, write what was found."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.demo.calls import Found, register, segment
from service.demo.overlay import Picture, contact_sheet, overlay
from service.demo.samples import CLASSES, Sample, queries, supports
from service.demo.table import Row, iou

_REQUEST_TIMEOUT_S = 120.0
_SHEET_COLUMNS = 3
_SHEET_WIDTH_PX = 560


def run_tour(url: str, out: Path) -> list[Row]:
    """Show the service at `url` all samples; write overlays, masks and `overview.jpg` to `out`.

    Raises:
        DemoError: a request failed or was answered wrongly.
    """
    supported = [_drawn_support(shot, name) for name in CLASSES for shot in supports(name)]
    answered, rows = [], []
    with httpx.Client(base_url=url, timeout=_REQUEST_TIMEOUT_S, trust_env=False) as client:
        session_id = _register_all(client)
        for query in queries():
            found = segment(client, session_id, query)
            rows += _judged(query, found)
            answered.append(_written(query, found.masks, out))
    sheet = contact_sheet([*supported, *answered], columns=_SHEET_COLUMNS, width=_SHEET_WIDTH_PX)
    Image.fromarray(sheet).save(out / "overview.jpg", quality=90)
    return rows


def _register_all(client: httpx.Client) -> str:
    """Register every class in one new session; its id."""
    session_id = None
    for class_name in CLASSES:
        answer = register(client, class_name, supports(class_name), session_id)
        session_id = answer.session_id
        print(f"registered {class_name}: {answer.shots} shots, model {answer.model}")
        for warning in answer.warnings:
            print(f"  warning: {warning}")
    return str(session_id)


def _drawn_support(shot: Sample, class_name: str) -> Picture:
    masks = {name: shot.mask(name) & (name == class_name) for name in CLASSES}
    return overlay(shot.pixels(), masks)


def _judged(query: Sample, found: Found) -> list[Row]:
    return [
        Row(
            query.name,
            class_name,
            iou(mask, query.mask(class_name)),
            float(mask.mean()),
            found.milliseconds,
        )
        for class_name, mask in found.masks.items()
    ]


def _written(query: Sample, masks: Mapping[str, NDArray[np.bool_]], out: Path) -> Picture:
    """Write the masks and the overlay of a query; the overlay."""
    for class_name, mask in masks.items():
        grey = Image.fromarray(mask.astype(np.uint8) * 255)
        grey.save(out / f"{query.name}.{class_name}.png")
    drawn = overlay(query.pixels(), masks)
    Image.fromarray(drawn).save(out / f"{query.name}.overlay.jpg", quality=92)
    return drawn
