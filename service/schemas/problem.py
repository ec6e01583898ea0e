"""The bodies of errors."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

ProblemCode = Literal[
    "body_too_large",
    "class_not_found",
    "corrupt_image",
    "count_mismatch",
    "deadline_exceeded",
    "empty_mask",
    "empty_session",
    "engine_failed",
    "foreign_origin",
    "full_mask",
    "idempotency_key_reused",
    "image_changed",
    "image_missing",
    "image_too_large",
    "inference_failed",
    "internal_error",
    "invalid_archive",
    "invalid_request",
    "job_not_found",
    "job_state",
    "job_storage_failed",
    "jobs_disabled",
    "label_studio_failed",
    "limit_exceeded",
    "malformed_body",
    "mask_size_mismatch",
    "model_mismatch",
    "model_not_found",
    "not_acceptable",
    "not_ready",
    "queue_full",
    "rate_limited",
    "report_not_found",
    "session_not_found",
    "store_unavailable",
    "too_many_files",
    "too_many_requests",
    "unauthorized",
    "unavailable",
    "unreadable_session",
    "unsupported_image",
    "unsupported_media_type",
    "worker_lost",
]
"""The codes of the service's own errors; those of the router are names of HTTP statuses."""


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
