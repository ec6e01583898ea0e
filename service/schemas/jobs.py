"""The state of a job, as responses hold it."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, Field

State = Literal["queued", "running", "done", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
FINISHED: frozenset[State] = frozenset({"done", "cancelled"})


class FailedImage(BaseModel):
    """An image of a job without a result, and why."""

    file_name: str
    code: str
    detail: str


class JobResponse(BaseModel):
    """A job and how far it is."""

    job_id: str
    state: State
    total: int
    done: int
    failed: int
    created: datetime
    eta_s: Annotated[float | None, Field(description="Seconds left; null when not known.")] = None
    stands_still_since: Annotated[
        datetime | None,
        Field(
            description="Since when the service has not been able to write or read what it keeps "
            "of jobs, such as on a full disk, so that none goes on; null while all is well."
        ),
    ] = None
    errors: Annotated[
        list[FailedImage], Field(description="The first 100; a list of jobs leaves them out.")
    ] = []


class JobsResponse(BaseModel):
    """One's own jobs, newest first."""

    jobs: list[JobResponse]
