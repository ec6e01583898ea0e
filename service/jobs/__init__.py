"""Segments many images in the background, and keeps what it has done through restarts."""

from service.jobs.desk import JobDesk
from service.jobs.runner import JobRunner
from service.jobs.schemas import JobForm
from service.jobs.store import JobStore

__all__ = [
    "JobDesk",
    "JobForm",
    "JobRunner",
    "JobStore",
]
