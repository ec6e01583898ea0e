"""All pictured episodes on one HTML page that needs nothing beside itself."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from model.experiments.drawing import Panel
from model.experiments.pictures import EpisodePicture

PAGE = Path(__file__).with_name("contact_sheet.html")
_JPEG_QUALITY = 86


def write_contact_sheet(
    path: Path, pictures: Sequence[EpisodePicture], *, title: str, about: str
) -> None:
    """Write the page, images inside.

    Args:
        path: the HTML file.
        pictures: in order of their numbers.
        title: what is pictured.
        about: how it came about.

    Raises:
        ValueError: nothing is pictured.
    """
    if not pictures:
        raise ValueError("there is no episode to show: --count needs to be at least 1")
    page = Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(title),
        about=escape(about),
        count=len(pictures),
        iou=f"{np.mean([picture.iou for picture in pictures]):.0f}",
        classes="".join(
            f"<option>{escape(name)}</option>"
            for name in sorted({picture.class_name for picture in pictures})
        ),
        episodes="\n".join(_episode(picture) for picture in pictures),
    )
    path.write_text(page, encoding="utf-8")


def _episode(picture: EpisodePicture) -> str:
    name = escape(picture.class_name)
    return (
        f'<article data-class="{name}" data-iou="{picture.iou:.2f}" data-number="{picture.number}">'
        f'<header><h2>{name}</h2><a href="{picture.file_name}">episode {picture.number}</a>'
        f'<meter min="0" max="100" low="35" high="65" optimum="100" value="{picture.iou:.1f}">'
        f"</meter><b>{picture.iou:.0f}</b></header>"
        f'<div class="panels">{"".join(_figure(panel) for panel in picture.panels)}</div></article>'
    )


def _figure(panel: Panel) -> str:
    buffer = io.BytesIO()
    Image.fromarray(panel.pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    caption = escape(panel.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
