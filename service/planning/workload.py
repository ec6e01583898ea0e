"""The load of a fleet, and its reserve."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.planning.defaults import Routing
from service.schemas import MAX_CLASSES
from service.settings import Settings
from service.units import GIB

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=1)]


class Workload(BaseModel):
    """Numbers of a plan; defaults are the service's own settings where it has them.

    rps: segment requests a second at the peak; images: of each; close_ups: of each image, which
    with `mode=whole` is none. classes: of each session; shots: of each class.
    sessions: alive in Redis at once; session_hours: that one lives, so new ones come.
    encode_hits: share of images that were seen before by the same replica.
    routing: `affinity` sends a session to one replica, `random` anywhere.
    skew, hottest_rps: exponent and bound of the popularity of sessions, see `popularity`.
    utilisation: of devices and cores that is planned with; p99_s: of a request, at most.
    copies_bytes: FSS_MAX_STORE_BYTES; zones: of which one may fail; surge: share of replicas added
    during a rolling upgrade.
    redis_*: what one Redis may hold, send, and use of its core.
    arrival_cv2: burstiness, see `queueing`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rps: Positive
    classes: Annotated[int, Field(ge=1, le=MAX_CLASSES)] = 1
    shots: Annotated[int, Field(ge=1, le=1024)] = 5
    images: Annotated[int, Field(ge=1, le=16)] = 1
    close_ups: Annotated[float, Field(ge=0, le=8)] = 0.0
    sessions: Annotated[int, Field(ge=2, le=10**9)] = 100_000
    session_hours: Positive = 8.0
    encode_hits: Share = 0.0
    routing: Routing = "affinity"
    skew: Annotated[float, Field(gt=0, lt=3)] = 0.8
    hottest_rps: Positive = 20.0
    arrival_cv2: Positive = 1.0
    utilisation: Annotated[float, Field(gt=0, lt=1)] = 0.7
    p99_s: Positive = 1.0
    zones: Whole = 3
    surge: Share = 0.25
    copies_bytes: Positive = float(Settings.model_fields["max_store_bytes"].default)
    redis_bytes: Positive = 64.0 * GIB
    redis_bytes_s: Positive = 10e9 / 8
    redis_utilisation: Annotated[float, Field(gt=0, lt=1)] = 0.6

    @property
    def registrations_s(self) -> float:
        """New sessions a second, each with all its classes and shots."""
        return self.sessions / (self.session_hours * 3600)
