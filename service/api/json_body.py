"""JSON bodies of the paths that speak another tool's language."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from service.api.validation_errors import invalid_fields

Message = TypeVar("Message", bound=BaseModel)


def read_json(message: type[Message], body: bytes) -> Message:
    """The message that a body holds.

    Raises:
        InvalidFieldsError: no JSON, or not of this form.
    """
    try:
        return message.model_validate_json(body)
    except ValidationError as exc:
        raise invalid_fields(exc.errors(include_url=False, include_input=False)) from exc
