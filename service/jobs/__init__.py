"""Segments many images in the background, and keeps what it has done through restarts."""

from service.jobs.desk import JobDesk
from service.jobs.runner import JobRunner
from service.jobs.schemas import FINISHED, JobForm, JobResponse, JobsResponse
from service.jobs.store import JobStore

__all__ = [
    "FINISHED",
    "JobDesk",
    "JobForm",
    "JobResponse",
    "JobRunner",
    "JobStore",
    "JobsResponse",
]
