"""The bodies of errors."""

from typing import Annotated

from pydantic import BaseModel, Field


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    location: str
    message: str


class Problem(BaseModel):
    """An error, as `application/problem+json` (RFC 9457)."""

    type: Annotated[str, Field(description="`urn:fss:problem:` and the code.")]
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="Stable; the same as at the end of `type`.")]
    location: Annotated[
        str | None, Field(description="The part of the request at fault, such as `masks[2]`.")
    ] = None
    errors: Annotated[
        list[FieldProblem] | None, Field(description="Every field at fault, when several may be.")
    ] = None
    request_id: str | None = None
