"""Validates all shots before the first is sent, so that no session is left half registered."""

import sys
from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter, ValidationError

from service.cli.failure import USAGE, CommandError
from service.errors import ServiceError
from service.image_files import Shots, image_file, mask_file
from service.schemas import ClassName
from service.sessions import ImageReader, PixelBudget

# The service decides how many pixels an image may have.
_MAX_PIXELS = sys.maxsize
_SIDE = 16  # the resized images are not used
_CLASS_NAME: TypeAdapter[str] = TypeAdapter(ClassName)


def require_usable(supports: Mapping[str, Sequence[Shots]]) -> None:
    """Fail where a service would refuse a shot; files are read one shot at a time.

    Raises:
        CommandError: the name of a class, an image or a mask is not valid.
        UnusableInputError: a file cannot be read.
    """
    for name, batches in supports.items():
        _check_name(name)
        for shots in batches:
            for position in range(len(shots.images)):
                _check_shot(name, shots, position)


def _check_name(name: str) -> None:
    try:
        _CLASS_NAME.validate_python(name)
    except ValidationError as exc:
        reason = exc.errors()[0]["msg"].removeprefix("Value error, ")
        raise CommandError(f"{name!r} cannot be the name of a class: {reason}", USAGE) from exc


def _check_shot(name: str, shots: Shots, position: int) -> None:
    image, mask = image_file(shots.images[position]), mask_file(shots.masks[position])
    reader = ImageReader(_MAX_PIXELS, PixelBudget(_MAX_PIXELS))
    try:
        reader.support(image, mask, position, side=_SIDE)
    except ServiceError as exc:
        file = shots.named(exc.location or f"images[{position}]")
        raise CommandError(f"{name}: {file}: {exc.detail}", USAGE) from exc
