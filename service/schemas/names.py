"""The syntax of class names and of references to models."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_CONTROL_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They reorder the text around them, so a name could be displayed as another one (UAX #9).
_BIDI_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
# A name ends a URL path. Clients resolve dot segments before sending it, and browsers treat a
# backslash as a slash, so that such a path would address the whole session instead of a class.
_SLASHES = re.compile(r"[/\\]")
_DOT_SEGMENTS = frozenset({".", ".."})


def _composed(name: object) -> object:
    """Normalise to NFC, so that equal names are one class; this can make a name longer."""
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


def _printable(name: str) -> str:
    """Refuse names that cannot be shown on one line, or cannot end a URL path."""
    if any(unicodedata.category(character) in _CONTROL_CATEGORIES for character in name):
        raise ValueError("must not contain control characters")
    if any(unicodedata.bidirectional(character) in _BIDI_CONTROLS for character in name):
        raise ValueError("must not contain characters that change the direction of text")
    if name != name.strip():
        raise ValueError("must not begin or end with a space")
    if _DOT_SEGMENTS.intersection(_SLASHES.split(name)):
        raise ValueError("must not be or hold the path segments '.' and '..'")
    return name


ClassName = Annotated[
    str,
    Field(min_length=1, max_length=64),
    BeforeValidator(_composed),
    AfterValidator(_printable),
]


_MODEL = r"^[a-z0-9][a-z0-9._-]{0,63}(@[A-Za-z0-9][A-Za-z0-9._+-]{0,63})?$"


def _model_reference(name: str) -> str:
    if re.fullmatch(_MODEL, name) is None:
        raise ValueError("must be a name from GET /models, or name@revision")
    return name


ModelReference = Annotated[
    str, AfterValidator(_model_reference), Field(json_schema_extra={"pattern": _MODEL})
]
