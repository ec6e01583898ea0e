"""JSON bodies of the paths that speak another tool's language."""

from functools import partial
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from service.api.validation_errors import invalid_fields
from service.errors import InvalidRequestError
from service.sessions import CodecPool

Message = TypeVar("Message", bound=BaseModel)


async def read_json(
    pool: CodecPool, message: type[Message], body: bytes, *, max_values: int
) -> Message:
    """The message that a body holds, read in a thread of the pool.

    Args:
        pool: of threads.
        message: what to read.
        body: UTF-8.
        max_values: and commas in texts. Each takes up to fifty times its two bytes of text, also
            where no field asks for it.

    Raises:
        InvalidRequestError: there are more values.
        InvalidFieldsError: no JSON, or not of this form.
    """
    return await pool.run(partial(_read, message, body, max_values))


def _read(message: type[Message], body: bytes, max_values: int) -> Message:
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > max_values:
        raise InvalidRequestError(f"the body has more than {max_values} values")
    try:
        return message.model_validate_json(body)
    except ValidationError as exc:
        raise invalid_fields(exc.errors(include_url=False, include_input=False)) from exc
