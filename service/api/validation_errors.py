"""Messages for invalid fields that make sense to clients, who do not know the code."""

from collections.abc import Iterable, Mapping
from typing import Any

from service.errors import InvalidFieldsError

# By pydantic's error type, formatted with its context; other types keep pydantic's message.
_MESSAGES = {
    "bool_parsing": "must be 'true' or 'false'",
    "extra_forbidden": "there is no such field",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "value_error": "{error}",
}


def invalid_fields(errors: Iterable[Mapping[str, Any]]) -> InvalidFieldsError:
    """The service's error for what pydantic's `ValidationError.errors()` lists."""
    return InvalidFieldsError(
        (".".join(map(str, error["loc"])) or "body", _message(error)) for error in errors
    )


def _message(error: Mapping[str, Any]) -> str:
    message = _MESSAGES.get(error["type"])
    return str(error["msg"]) if message is None else message.format(**error.get("ctx", {}))
