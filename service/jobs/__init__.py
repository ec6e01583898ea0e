"""Segments many images in the background, and keeps what it has done through restarts."""

from service.jobs.desk import Arrival, JobDesk
from service.jobs.directory import JobsDirectoryError, check_jobs_directory, open_jobs
from service.jobs.folders import Folders
from service.jobs.forms import JobForm
from service.jobs.images import JobImages
from service.jobs.quota import JobQuota
from service.jobs.runner import JobRunner

__all__ = [
    "Arrival",
    "Folders",
    "JobDesk",
    "JobForm",
    "JobImages",
    "JobQuota",
    "JobRunner",
    "JobsDirectoryError",
    "check_jobs_directory",
    "open_jobs",
]
