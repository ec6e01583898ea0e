"""What is simulated."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from service.planning.fleet import host_s, query_s
from service.planning.profile import Profile
from service.planning.workload import Positive, Share, Whole, Workload
from service.settings import Settings

Fault = Literal["none", "redis", "replicas", "cold", "upgrade"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
_SETTINGS = Settings.model_fields


class Scenario(BaseModel):
    """A fleet, its load and a fault.

    replicas: of the fleet; sample: of them that are looked at.
    redis: cells, each with a Redis of its own.
    fault: `redis` dies for `fault_s`; a tenth of the `replicas` dies; all are `cold`; an `upgrade`
        takes one tenth after another away for `fault_s`.
    fault_at_s: when it begins; seconds: of the whole, of which the last two are not judged.
    burst: by how much the rate swings up and down around its mean, with `burst_period_s`.
    max_requests, max_wait_s, store_timeout_s: the settings of the service.
    retries: of a client that is refused, after Retry-After and up to half as long again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workload: Workload
    profile: Profile
    replicas: Whole = 1000
    sample: Whole = 10
    redis: Whole = 1
    fault: Fault = "none"
    fault_at_s: Annotated[float, Field(ge=0)] = 20.0
    fault_s: Positive = 10.0
    seconds: Annotated[float, Field(ge=3, allow_inf_nan=False)] = 20.0
    burst: Share = 0.0
    burst_period_s: Positive = 20.0
    max_requests: Whole = _SETTINGS["max_requests"].default
    max_wait_s: Positive = _SETTINGS["max_wait_s"].default
    store_timeout_s: Positive = _SETTINGS["store_timeout_s"].default
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    seed: int = 0

    @property
    def core_s(self) -> float:
        """Seconds for which a request keeps all cores of its replica busy."""
        return host_s(self.workload, self.profile) / self.profile.host.cores

    @property
    def busy_s(self) -> float:
        """Seconds for which a request keeps what is scarcest of its replica busy."""
        device_s = query_s(self.workload, self.profile)
        on_cpu = self.profile.engine.device == "cpu"
        return device_s + self.core_s if on_cpu else max(device_s, self.core_s)

    @property
    def capacity_rps(self) -> float:
        """Requests a second of the fleet, bounded by devices and cores alone."""
        return self.replicas / self.busy_s

    def at_load(self, share: float) -> "Scenario":
        """The same with that share of the capacity asked for."""
        workload = self.workload.model_copy(update={"rps": share * self.capacity_rps})
        return self.model_copy(update={"workload": workload})
