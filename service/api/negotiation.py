"""Which representation a client prefers."""

from service.errors import NotAcceptableError

JSON = "application/json"
PNG = "image/png"


def prefers_png(accept: str | None) -> bool:
    """Whether `Accept` asks for a label map rather than for JSON, the default.

    Raises:
        NotAcceptableError: neither can satisfy the header.
    """
    ranges = dict(_quality(part) for part in (accept or "*/*").split(",") if part.strip())
    png, json = _best(ranges, PNG), _best(ranges, JSON)
    if max(png, json) <= 0:
        raise NotAcceptableError(f"the answer is {JSON} or {PNG}")
    return png > json or (png == json and PNG in ranges and JSON not in ranges)


def _quality(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media_range, float(value)
            except ValueError:
                return media_range, 0.0
    return media_range, 1.0


def _best(ranges: dict[str, float], media_type: str) -> float:
    """The quality of the most specific range that covers a media type; 0 if none does."""
    group = media_type.partition("/")[0] + "/*"
    for media_range in (media_type, group, "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0
