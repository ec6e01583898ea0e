"""`Accept`: JSON unless a label map is preferred."""

import pytest

from service.api.negotiation import prefers_png
from service.errors import NotAcceptableError


@pytest.mark.parametrize(
    ("accept", "png"),
    [
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
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", False),  # Java's own
        ("image/png;q=1.000, application/json;q=0.", True),
    ],
)
def test_preference(accept: str, png: bool) -> None:
    assert prefers_png([accept]) is png


def test_lines_are_one_list() -> None:
    assert prefers_png([]) is False
    assert prefers_png(["text/html", "application/json"]) is False
    assert prefers_png(["text/html", "image/png"]) is True


@pytest.mark.parametrize(
    "accept", ["text/html", "image/jpeg", "application/json;q=0", "*/*;q=x", "*/*;q=nan", "*/*;q=9"]
)
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptableError):
        prefers_png([accept])
