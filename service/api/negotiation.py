"""Content negotiation: the representation that a client prefers."""

import re
from collections.abc import Sequence

from service.errors import NotAcceptableError

JSON = "application/json"
PNG = "image/png"

_QUALITY = re.compile(r"0?\.[0-9]+|0\.?|1(\.0*)?")


def prefers_png(accept: Sequence[str]) -> bool:
    """Whether the lines of `Accept` ask for a label map rather than for JSON, the default.

    Raises:
        NotAcceptableError: neither can satisfy the header.
    """
    ranges = dict(_quality(part) for part in (",".join(accept) or "*/*").split(",") if part.strip())
    png, json = _best(ranges, PNG), _best(ranges, JSON)
    if max(png, json) <= 0:
        raise NotAcceptableError(f"the answer is {JSON} or {PNG}")
    return png > json or (png == json and PNG in ranges and JSON not in ranges)


def _quality(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return media_range, float(value) if _QUALITY.fullmatch(value.strip()) else 0.0
    return media_range, 1.0


def _best(ranges: dict[str, float], media_type: str) -> float:
    """The quality of the most specific range that covers a media type; 0 if none does."""
    group = media_type.partition("/")[0] + "/*"
    for media_range in (media_type, group, "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0
