"""Segments many images in the background, and keeps what it has done through restarts."""

from service.jobs.creation import Arrival, JobCreator
from service.jobs.desk import JobDesk
from service.jobs.directory import JobsDirectoryError, check_jobs_directory, open_jobs
from service.jobs.folders import Folders
from service.jobs.forms import JobForm
from service.jobs.images import JobImages
from service.jobs.log_reason import log_reason
from service.jobs.quota import JobQuota
from service.jobs.runner import JobRunner
from service.jobs.threads import JobThreads

__all__ = [
    "Arrival",
    "Folders",
    "JobCreator",
    "JobDesk",
    "JobForm",
    "JobImages",
    "JobQuota",
    "JobRunner",
    "JobThreads",
    "JobsDirectoryError",
    "check_jobs_directory",
    "log_reason",
    "open_jobs",
]
