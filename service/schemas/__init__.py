"""What goes over the wire: the fields of requests and the bodies of answers."""

from service.schemas.answers import (
    ClassResult,
    ClassSummary,
    ImageResult,
    ModelsResponse,
    ModelSummary,
    RleMask,
    SegmentResponse,
    SessionResponse,
    StatusResponse,
    SupportResponse,
)
from service.schemas.forms import MAX_FILES, Files, Output, Probability, SegmentForm, SupportForm
from service.schemas.jobs import FINISHED, STATES, FailedImage, JobResponse, JobsResponse, State
from service.schemas.names import ClassName
from service.schemas.problem import FieldProblem, Problem
from service.schemas.report_card import ReportCard, ReportWarning, ShotReport, WarningCode
from service.schemas.wire import (
    ARCHIVE_MEDIA_TYPE,
    IDEMPOTENCY_HEADER,
    IMAGE_SUFFIXES,
    KEY_HEADER,
    SESSION_HEADER,
    SESSION_ID_BYTES,
)

__all__ = [
    "ARCHIVE_MEDIA_TYPE",
    "FINISHED",
    "IDEMPOTENCY_HEADER",
    "IMAGE_SUFFIXES",
    "KEY_HEADER",
    "MAX_FILES",
    "SESSION_HEADER",
    "SESSION_ID_BYTES",
    "STATES",
    "ClassName",
    "ClassResult",
    "ClassSummary",
    "FailedImage",
    "FieldProblem",
    "Files",
    "ImageResult",
    "JobResponse",
    "JobsResponse",
    "ModelSummary",
    "ModelsResponse",
    "Output",
    "Probability",
    "Problem",
    "ReportCard",
    "ReportWarning",
    "RleMask",
    "SegmentForm",
    "SegmentResponse",
    "SessionResponse",
    "ShotReport",
    "State",
    "StatusResponse",
    "SupportForm",
    "SupportResponse",
    "WarningCode",
]
