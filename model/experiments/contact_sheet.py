"""All pictured episodes on one self-contained HTML page."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader
from PIL import Image

from model.experiments.drawing import Pixels
from model.experiments.pictures import EpisodePicture

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
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.get_template("contact_sheet.html").render(
        title=title,
        about=about,
        pictures=pictures,
        mean_iou=np.mean([picture.iou for picture in pictures]),
        classes=sorted({picture.class_name for picture in pictures}),
        jpeg=_jpeg,
    )
    path.write_text(page, encoding="utf-8")


def _jpeg(pixels: Pixels) -> str:
    """The address of an image (H, W, 3) that holds the image itself."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
