"""Segments many images in the background, and keeps what it has done through restarts."""

from service.jobs.arrivals import Arrival, Arrivals
from service.jobs.creation import JobCreator
from service.jobs.desk import JobDesk
from service.jobs.directory import JobsDirectoryError, check_jobs_directory, open_jobs
from service.jobs.folders import Folders
from service.jobs.forms import JobForm
from service.jobs.images import JobImages
from service.jobs.quota import JobQuota
from service.jobs.runner import JobRunner
from service.jobs.threads import JobThreads

__all__ = [
    "Arrival",
    "Arrivals",
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
    "open_jobs",
]
