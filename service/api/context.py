"""What the application hands its routes, and how a request is admitted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request

from service.access import Access
from service.api.body.multipart import BodyLimits
from service.api.drain import Drain
from service.api.interruption import cancel_on_disconnect, within_deadline
from service.capacity import Admission
from service.errors import JobsDisabledError
from service.jobs import JobDesk
from service.labelling_tools import ProjectMirror
from service.sessions import Resources


@dataclass(frozen=True)
class ApiContext:
    """What the application hands its routes.

    resources: what the use cases work with.
    admission: bounds the requests in progress, once their bodies have arrived.
    body_bytes: bounds the bytes of all bodies that arrive or are worked on.
    archive_bytes: bounds the bytes of all archives that are made or downloaded, and of a body that
        is an archive.
    body_limits: of one body.
    upload_s: maximum time in which one body may arrive.
    deadline_s: maximum time of a request, from the end of its body to its response.
    access: who may send requests, and how many.
    drain: tells when the service is about to stop.
    jobs: segments images in the background; where that is not possible, the error that says why.
    jobs_max_bytes: of a body that makes a job.
    jobs_stall_s: maximum time without progress in the arrival of such a body.
    mirror: follows the projects of Label Studio; None: there is none.
    """

    resources: Resources
    admission: Admission
    body_bytes: Admission
    archive_bytes: Admission
    body_limits: BodyLimits
    upload_s: float
    deadline_s: float
    access: Access
    drain: Drain
    jobs: JobDesk | JobsDisabledError
    jobs_max_bytes: int
    jobs_stall_s: float
    mirror: ProjectMirror | None

    def require_jobs(self) -> JobDesk:
        """The desk of jobs.

        Raises:
            JobsDisabledError.
        """
        if isinstance(self.jobs, JobsDisabledError):
            raise JobsDisabledError(self.jobs.detail)
        return self.jobs

    @asynccontextmanager
    async def admit(self, request: Request) -> AsyncIterator[None]:
        """A block that holds a slot among the requests in progress.

        It is cancelled at the deadline, or when the client disconnects; the body must have been
        read before.

        Raises:
            QueueFullError, DeadlineExceededError, ClientDisconnect.
        """
        self.require_capacity()
        with self.admission.admit():
            async with (
                cancel_on_disconnect(request),
                within_deadline(self.deadline_s, "the request took longer than {:g} s"),
            ):
                yield

    def require_capacity(self) -> None:
        """Fail where a request that came now would find no slot, or would wait too long.

        Which model it needs is not known yet: it would wait for any. Its use case looks again.

        Raises:
            QueueFullError.
        """
        self.admission.require_room()
        self.resources.require_short_wait(self.resources.models.engines, self.admission.inside)
