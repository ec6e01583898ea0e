"""What errors of Ray mean to those who wait for the pool."""

from ray.exceptions import (
    AuthenticationError,
    ObjectStoreFullError,
    OutOfDiskError,
    RayError,
    RayTaskError,
)
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException

from service.errors import (
    InferenceError,
    NotReadyError,
    QueueFullError,
    ServiceError,
    WorkerLostError,
)


def as_service_error(exc: RayError | RayServeException) -> ServiceError:
    """The typed error of a call to a replica; `WorkerLostError` where another may answer."""
    if isinstance(exc, BackPressureError):
        return QueueFullError("more requests than allowed wait for the pool")
    if isinstance(exc, (ObjectStoreFullError, OutOfDiskError)):
        return QueueFullError("no more classes fit into the pool")
    if isinstance(exc, DeploymentUnavailableError):
        return NotReadyError()
    if isinstance(exc, RayTaskError):
        return InferenceError()
    return WorkerLostError()


def may_join_later(exc: Exception) -> bool:
    """Whether a pool that could not be joined may be joined soon, without anybody's help.

    What Ray lost comes back, and what is queued gets its turn. A pool that does not start, such as
    one whose nodes hold another bundle, and a token that is refused stay as they are.
    """
    if not isinstance(exc, (RayError, RayServeException)) or isinstance(exc, AuthenticationError):
        return False
    return isinstance(as_service_error(exc), (QueueFullError, WorkerLostError))
