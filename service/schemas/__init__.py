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
from service.schemas.names import ClassName
from service.schemas.problem import FieldProblem, Problem

__all__ = [
    "MAX_FILES",
    "ClassName",
    "ClassResult",
    "ClassSummary",
    "FieldProblem",
    "Files",
    "ImageResult",
    "ModelSummary",
    "ModelsResponse",
    "Output",
    "Probability",
    "Problem",
    "RleMask",
    "SegmentForm",
    "SegmentResponse",
    "SessionResponse",
    "StatusResponse",
    "SupportForm",
    "SupportResponse",
]
