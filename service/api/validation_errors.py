"""What is wrong with fields, in words for who sends them and not for who reads our code."""

from collections.abc import Iterable, Mapping
from typing import Any

from service.errors import InvalidFieldsError

# By pydantic's types of errors, filled in from their context; others keep pydantic's own words.
_WORDS = {
    "bool_parsing": "must be 'true' or 'false'",
    "extra_forbidden": "there is no such field",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "value_error": "{error}",
}


def invalid_fields(errors: Iterable[Mapping[str, Any]]) -> InvalidFieldsError:
    """The error of the service for errors of pydantic, as `ValidationError.errors()` lists them."""
    return InvalidFieldsError(
        (".".join(map(str, error["loc"])) or "body", _message(error)) for error in errors
    )


def _message(error: Mapping[str, Any]) -> str:
    words = _WORDS.get(error["type"])
    return str(error["msg"]) if words is None else words.format(**error.get("ctx", {}))
