"""From the fields of a body to a validated form."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from service.api.body.field_kinds import field_kinds
from service.api.body.multipart import FormFields
from service.api.validation_errors import invalid_fields
from service.errors import InvalidRequestError
from service.schemas import SESSION_HEADER

Form = TypeVar("Form", bound=BaseModel)


def validate_form(form: type[Form], fields: FormFields, *, session_header: str | None) -> Form:
    """Build `form` from text fields, files and the session header.

    Args:
        form: the model; `field_kinds` tells what its lists mean.
        fields: what the body held.
        session_header: the other place a session may be named in.

    Raises:
        InvalidRequestError: a field is missing, unknown, repeated, of the wrong kind or not valid.
    """
    repeated = field_kinds(form).repeated
    values: dict[str, Any] = dict(fields.files)
    for name, texts in fields.texts.items():
        if name in fields.files:
            raise InvalidRequestError("both a file and a text").at(name)
        if name not in repeated and len(texts) > 1:
            raise InvalidRequestError("the field may be given only once").at(name)
        values[name] = texts if name in repeated else texts[0]
    try:
        return form.model_validate(_with_session(values, session_header))
    except ValidationError as exc:
        raise invalid_fields(exc.errors(include_url=False, include_input=False)) from exc


def _with_session(values: dict[str, Any], header: str | None) -> Mapping[str, Any]:
    if values.get("session_id") == "":
        del values["session_id"]  # what an HTML form sends for a field left empty
    if not header:  # or empty, as where what it is made of is not set
        return values
    if values.get("session_id", header) != header:
        raise InvalidRequestError(f"the field differs from the header {SESSION_HEADER}").at(
            "session_id"
        )
    return {**values, "session_id": header}
