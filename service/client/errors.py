"""What a call can raise: errors by the service's problem code, and failures without a response.

A code without a class, such as a newer service may send, becomes a plain `ApiError`.
"""

import os
from collections.abc import Iterator
from typing import ClassVar, Literal, Self

import httpx
from pydantic import ValidationError

from service.schemas import FieldProblem, Problem, ProblemCode

ErrorCode = ProblemCode | Literal["conflict", "not_found", ""]
"""A code of the service, the name of an HTTP status, or none for a base class."""


class ClientError(Exception):
    """Base of everything the client raises about a request.

    location: the part of the request at fault, such as `masks[2]`; None where it is not one part.
    """

    location: str | None = None

    def told_of(self, file: str) -> str:
        """The message, with the name of the file at fault in place of its location."""
        reason = str(self).removeprefix(f"{self.location}: ").removeprefix(f"{file}: ")
        return f"{file}: {reason}"

    def about(self, image: object, position: int) -> Self:
        """This error, told of an image among many instead of one in a request that nobody sees.

        Args:
            image: that is at fault; the message names it if it is a path.
            position: of the image among all that were given, from 0; `location` says it.
        """
        place = f"images[{position}]"
        name = os.fspath(image) if isinstance(image, str | os.PathLike) else place
        self.args = (self.told_of(name),)
        self.location = place
        return self


class InvalidInputError(ClientError):
    """An image, a mask or an option that cannot be sent; no request was made."""


class ConnectionFailedError(ClientError):
    """The service was not reached, or the connection broke before its response."""


class UnexpectedAnswerError(ClientError):
    """The response is not one of the service; something else may listen at the address."""


class ApiError(ClientError):
    """The service responded with an error.

    Args:
        problem: the body of the response, `application/problem+json`.
    """

    code: ClassVar[ErrorCode] = ""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.location = problem.location
        place = "" if problem.location is None else f"{problem.location}: "
        super().__init__(f"{place}{problem.detail} ({problem.status} {problem.code})")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def fields(self) -> tuple[FieldProblem, ...]:
        """Every field at fault, when several may be."""
        return tuple(self.problem.errors or ())


class RetryableError(ApiError):
    """The service is busy or loading; the client has used up its retries."""


class RateLimitedError(RetryableError):
    """The key or address exceeds its rate limit."""

    code = "rate_limited"


class TooManyRequestsError(RetryableError):
    """The key or address has as many requests in progress as it may."""

    code = "too_many_requests"


class QueueFullError(RetryableError):
    """The queue is full."""

    code = "queue_full"


class NotReadyError(RetryableError):
    """The service is loading its network, or stopping."""

    code = "not_ready"


class WorkerLostError(RetryableError):
    """The device's worker died while it had the request."""

    code = "worker_lost"


class StoreUnavailableError(RetryableError):
    """The session store cannot be reached."""

    code = "store_unavailable"


class UnauthorizedError(ApiError):
    """No key was sent, or none that is valid."""

    code = "unauthorized"


class ForeignOriginError(ApiError):
    """A web page of another origin asked, and the service does not allow that origin."""

    code = "foreign_origin"


class NotFoundError(ApiError):
    """What the request names does not exist."""

    code: ClassVar[ErrorCode] = "not_found"


class SessionNotFoundError(NotFoundError):
    """The session is unknown or has expired."""

    code = "session_not_found"


class ClassNotFoundError(NotFoundError):
    """The session holds no class of that name."""

    code = "class_not_found"


class ReportNotFoundError(NotFoundError):
    """The class has no report."""

    code = "report_not_found"


class ModelNotFoundError(NotFoundError):
    """The service has no model of that name; `models` lists those it has."""

    code = "model_not_found"


class JobNotFoundError(NotFoundError):
    """The job is unknown, or is somebody else's."""

    code = "job_not_found"


class ConflictError(ApiError):
    """The session or job is not in a state that allows the request."""

    code: ClassVar[ErrorCode] = "conflict"


class ModelMismatchError(ConflictError):
    """The session was made by another network than the one that runs."""

    code = "model_mismatch"


class EmptySessionError(ConflictError):
    """The session holds no class."""

    code = "empty_session"


class JobStateError(ConflictError):
    """The job has not ended, where it would have to."""

    code = "job_state"


class JobsDisabledError(ApiError):
    """The service has no directory for jobs; its operator must set `FSS_JOBS_DIR`."""

    code = "jobs_disabled"


class InvalidRequestError(ApiError):
    """The request is not valid; `fields` and `location` say why."""

    code: ClassVar[ErrorCode] = "invalid_request"


class CountMismatchError(InvalidRequestError):
    """Images and masks do not pair up."""

    code = "count_mismatch"


class LimitExceededError(InvalidRequestError):
    """A session would hold more than it may."""

    code = "limit_exceeded"


class IdempotencyKeyReusedError(InvalidRequestError):
    """The request differs from the one that its idempotency key came with first."""

    code = "idempotency_key_reused"


class InvalidArchiveError(InvalidRequestError):
    """The bytes are not an archive of a session."""

    code = "invalid_archive"


class InvalidFileError(InvalidRequestError):
    """An image or mask cannot be used; `location` says which. Base of the errors that say why."""


class UnsupportedImageError(InvalidFileError):
    """The file is not of a supported type."""

    code = "unsupported_image"


class CorruptImageError(InvalidFileError):
    """The file is broken or truncated."""

    code = "corrupt_image"


class ImageTooLargeError(InvalidFileError):
    """The image has more pixels than allowed."""

    code = "image_too_large"


class MaskSizeMismatchError(InvalidFileError):
    """A mask and its image differ in size."""

    code = "mask_size_mismatch"


class EmptyMaskError(InvalidFileError):
    """A mask marks no pixel."""

    code = "empty_mask"


class FullMaskError(InvalidFileError):
    """A mask marks every pixel."""

    code = "full_mask"


class BodyTooLargeError(InvalidRequestError):
    """The request has more bytes than allowed."""

    code = "body_too_large"


class TooManyFilesError(InvalidRequestError):
    """More files than one request may carry."""

    code = "too_many_files"


class DeadlineExceededError(ApiError):
    """The service did not finish in time."""

    code = "deadline_exceeded"


def error_of(response: httpx.Response) -> ClientError:
    """The error of a response that is not successful."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        # Without the password that the URL may hold.
        url = response.request.url.copy_with(query=None, userinfo=b"")
        return UnexpectedAnswerError(
            f"{response.request.method} {url} answered {response.status_code} without a problem "
            "document; is this the service's address?"
        )
    retryable = response.status_code in {429, 503}
    return _BY_CODE.get(problem.code, RetryableError if retryable else ApiError)(problem)


def _descendants(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


# A class that inherits its code would take the place of the one that it inherits from.
_BY_CODE: dict[str, type[ApiError]] = {
    kind.code: kind for kind in _descendants(ApiError) if "code" in vars(kind)
}
