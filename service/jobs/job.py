"""A job and its images, as the store knows them."""

from typing import NamedTuple

from service.schemas import State


class Job(NamedTuple):
    """A job as it stands; `seconds` were spent on the images done and failed."""

    job_id: str
    owner: str
    state: State
    created: float
    form: str
    seconds: float
    total: int
    done: int
    failed: int


class JobImage(NamedTuple):
    """One image of a job."""

    number: int
    name: str
    state: str
    code: str | None
    detail: str | None
