"""Segments many images in the background, and keeps what it has done through restarts."""

from service.jobs.desk import JobDesk
from service.jobs.directory import JobsDirectoryError, open_jobs
from service.jobs.runner import JobRunner
from service.jobs.schemas import FINISHED, JobForm, JobResponse, JobsResponse

__all__ = [
    "FINISHED",
    "JobDesk",
    "JobForm",
    "JobResponse",
    "JobRunner",
    "JobsDirectoryError",
    "JobsResponse",
    "open_jobs",
]
