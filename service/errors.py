"""All errors that a request can end in; status, code and title live on the class.

The message of an instance is its detail: it goes on the wire, so it is about the request and
never about the machine. Codes are stable; clients may switch on them.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Self

from service.schemas import ProblemCode


class ServiceError(Exception):
    """Base of every expected error.

    Args:
        detail: what is wrong with this request, for people; None: the title.
    """

    status: ClassVar[int] = 500
    code: ClassVar[ProblemCode] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail if detail is not None else self.title
        self.location: str | None = None
        super().__init__(self.detail)

    def at(self, location: str) -> Self:
        """Name the part of the request at fault, such as `masks[2]`; returns the error itself."""
        self.location = location
        return self

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers that belong to the error."""
        return {}


class RetryableError(ServiceError):
    """The same request may succeed later."""

    status = 503
    code: ClassVar[ProblemCode] = "unavailable"
    title = "Temporarily unavailable"
    retry_after_s: int = 1

    @property
    def headers(self) -> Mapping[str, str]:
        """`Retry-After` in whole seconds."""
        return {"Retry-After": str(self.retry_after_s)}


class UnauthorizedError(ServiceError):
    """The request shows no valid key."""

    status = 401
    code = "unauthorized"
    title = "A valid API key is needed"

    @property
    def headers(self) -> Mapping[str, str]:
        """The scheme that is asked for."""
        return {"WWW-Authenticate": 'Bearer realm="few-shot segmentation"'}


class ForeignOriginError(ServiceError):
    """The request comes from a page of another origin, or by a name that is not the service's."""

    status = 403
    code = "foreign_origin"
    title = "Pages of this origin may not do that"


class RateLimitedError(RetryableError):
    """The client asks more often than it may.

    Args:
        retry_after_s: whole seconds until a request will fit.
    """

    status = 429
    code = "rate_limited"
    title = "Too many requests in a short time"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"more requests than allowed; one will fit in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class TooManyRequestsError(RetryableError):
    """The client has as many requests in progress as it may."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests at the same time"


class InvalidRequestError(ServiceError):
    """A field is missing, malformed or out of bounds."""

    status = 422
    code = "invalid_request"
    title = "The request is not valid"


class InvalidFieldsError(InvalidRequestError):
    """Several fields may be at fault; each is named.

    Args:
        problems: (location, message) pairs, at least one.
    """

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{location}: {message}" for location, message in self.problems))


class IdempotencyKeyReusedError(ServiceError):
    """The request differs from the one that its idempotency key came with first."""

    status = 422
    code = "idempotency_key_reused"
    title = "The idempotency key belongs to another request"


class MalformedBodyError(ServiceError):
    """The body is not what its content type says."""

    status = 400
    code = "malformed_body"
    title = "The body could not be parsed"


class UnsupportedMediaTypeError(ServiceError):
    """The body is not of the media type the path takes."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class NotAcceptableError(ServiceError):
    """The response cannot be given in a media type that the request accepts."""

    status = 406
    code = "not_acceptable"
    title = "No acceptable representation"


class BodyTooLargeError(ServiceError):
    """The body exceeds the byte limit."""

    status = 413
    code = "body_too_large"
    title = "The body is too large"


class TooManyFilesError(ServiceError):
    """More files than one request may carry."""

    status = 413
    code = "too_many_files"
    title = "Too many files"


class CountMismatchError(ServiceError):
    """Images and masks do not pair up."""

    status = 422
    code = "count_mismatch"
    title = "Every image needs one mask"


class UnsupportedImageError(ServiceError):
    """The file is not of a supported image type."""

    status = 415
    code = "unsupported_image"
    title = "Unsupported image type"


class CorruptImageError(ServiceError):
    """The file starts as an image and cannot be read to its end."""

    status = 422
    code = "corrupt_image"
    title = "The image is broken or truncated"


class ImageTooLargeError(ServiceError):
    """The header announces more pixels than allowed."""

    status = 413
    code = "image_too_large"
    title = "The image has too many pixels"


class MaskSizeMismatchError(ServiceError):
    """A mask and its image differ in size."""

    status = 422
    code = "mask_size_mismatch"
    title = "A mask must have the size of its image"


class EmptyMaskError(ServiceError):
    """A mask marks no pixel."""

    status = 422
    code = "empty_mask"
    title = "The mask is empty"


class FullMaskError(ServiceError):
    """A mask marks every pixel."""

    status = 422
    code = "full_mask"
    title = "The mask covers the whole image"


class LimitExceededError(ServiceError):
    """The request would exceed a limit on sessions or jobs."""

    status = 422
    code = "limit_exceeded"
    title = "A limit is reached"


class SessionNotFoundError(ServiceError):
    """The session is unknown or has expired; the two are not told apart."""

    status = 404
    code = "session_not_found"
    title = "Unknown or expired session"

    def __init__(self) -> None:
        super().__init__(
            "unknown or expired session: register its classes again, or restore an archive of it"
        )


class ClassNotFoundError(ServiceError):
    """The session holds no class of that name."""

    status = 404
    code = "class_not_found"
    title = "Unknown class"


class ReportNotFoundError(ServiceError):
    """No shot of the class was judged."""

    status = 404
    code = "report_not_found"
    title = "No report card"


class InvalidArchiveError(ServiceError):
    """The bytes are not a session, or one that no service of this version could have written."""

    status = 422
    code = "invalid_archive"
    title = "The archive is not valid"


class ModelNotFoundError(ServiceError):
    """No such network is served."""

    status = 404
    code = "model_not_found"
    title = "Unknown model"


class ModelMismatchError(ServiceError):
    """The session was made by another network than is asked for, or than any that is served."""

    status = 409
    code = "model_mismatch"
    title = "The session belongs to another model"


class EmptySessionError(ServiceError):
    """The session holds no class to segment."""

    status = 409
    code = "empty_session"
    title = "The session has no classes"


class JobNotFoundError(ServiceError):
    """The job is unknown, or belongs to somebody else; the two are not told apart."""

    status = 404
    code = "job_not_found"
    title = "Unknown job"


class ImageMissingError(ServiceError):
    """An image of a folder is no longer there, or cannot be read."""

    status = 404
    code = "image_missing"
    title = "The image is missing or cannot be read"


class ImageChangedError(ServiceError):
    """An image of a folder is not what it was when the job was made."""

    status = 409
    code = "image_changed"
    title = "The image has changed since the job was made"


class JobStateError(ServiceError):
    """The job is in a state in which this cannot be done."""

    status = 409
    code = "job_state"
    title = "Not in this state of the job"


class JobsDisabledError(ServiceError):
    """There is no directory to keep jobs in; the detail says why."""

    status = 503
    code = "jobs_disabled"
    title = "Jobs are not available"


class JobStorageError(RetryableError):
    """The folder of jobs takes no more: the disk is full or fails, or jobs fill what they may."""

    code = "job_storage_failed"
    title = "Jobs cannot be written"
    retry_after_s = 30


class QueueFullError(RetryableError):
    """The queue is full.

    Args:
        detail: what there is too much of.
        retry_after_s: whole seconds until there will be room.
    """

    code = "queue_full"
    title = "The service is busy"

    def __init__(self, detail: str, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class NotReadyError(RetryableError):
    """The engine has not finished its first inference, or is stopping."""

    code = "not_ready"
    title = "The service is not ready"


class WorkerLostError(RetryableError):
    """The device's worker died while it had the request; it comes back by itself."""

    code = "worker_lost"
    title = "The worker was lost"


class StoreUnavailableError(RetryableError):
    """The session store cannot be reached, does not respond in time, or refuses.

    Args:
        reason: what was in the way, in a word; for the operator and not in the response.
    """

    code = "store_unavailable"
    title = "The session store cannot be reached"

    def __init__(self, detail: str | None = None, *, reason: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class DeadlineExceededError(ServiceError):
    """The request was not finished within its deadline."""

    status = 504
    code = "deadline_exceeded"
    title = "The deadline has passed"


class InferenceError(ServiceError):
    """The engine failed on this item; the cause is in the log alone."""

    status = 500
    code = "inference_failed"
    title = "Inference failed"


class EngineFailedError(ServiceError):
    """An engine could not start, or none of its devices works any more; it needs a restart."""

    status = 500
    code = "engine_failed"
    title = "The engine failed"


class UnreadableSessionError(ServiceError):
    """What the store holds of the session cannot be read; the cause is in the log alone."""

    status = 500
    code = "unreadable_session"
    title = "The stored session cannot be read; register its classes again"


class StudioError(ServiceError):
    """Label Studio cannot be reached, or refuses what it is asked for."""

    status = 502
    code = "label_studio_failed"
    title = "Label Studio did not answer as expected"
