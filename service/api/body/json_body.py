"""JSON bodies, which only the routes for labelling tools take."""

from functools import partial
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from service.api.validation_errors import invalid_fields
from service.errors import InvalidRequestError
from service.sessions import CodecPool

Model = TypeVar("Model", bound=BaseModel)


async def read_json(pool: CodecPool, model: type[Model], body: bytes, *, max_values: int) -> Model:
    """Validate a body against a model, in a thread of the pool.

    Args:
        pool: of threads.
        model: what the body must be.
        body: UTF-8.
        max_values: of arrays, objects and their members, also those the model ignores; commas in
            strings count too. A parsed value takes up to fifty times its two bytes of JSON.

    Raises:
        InvalidRequestError: there are more values.
        InvalidFieldsError: not JSON, or not valid for the model.
    """
    return await pool.run(partial(_validate, model, body, max_values))


def _validate(model: type[Model], body: bytes, max_values: int) -> Model:
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > max_values:
        raise InvalidRequestError(f"the body has more than {max_values} values")
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        raise invalid_fields(exc.errors(include_url=False, include_input=False)) from exc
