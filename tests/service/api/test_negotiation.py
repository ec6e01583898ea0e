"""`Accept`: JSON unless a label map is preferred."""

import pytest

from service.api.negotiation import prefers_png
from service.errors import NotAcceptableError


@pytest.mark.parametrize(
    ("accept", "png"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("image/png", True),
        ("IMAGE/PNG", True),
        ("image/*", True),
        ("image/png, */*", True),
        ("image/png, application/json", False),
        ("image/png;q=0.5, application/json", False),
        ("image/png, application/json;q=0.5", True),
        ("application/json;q=0, image/png;q=0.1", True),
        ("text/html, application/xhtml+xml, */*;q=0.8", False),
    ],
)
def test_preference(accept: str | None, png: bool) -> None:
    assert prefers_png(accept) is png


@pytest.mark.parametrize("accept", ["text/html", "image/jpeg", "application/json;q=0", "*/*;q=x"])
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptableError):
        prefers_png(accept)
