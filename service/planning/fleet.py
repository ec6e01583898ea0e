"""Replicas for the queries of a workload and the registrations that come with them."""

import math
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from service.planning.profile import Profile
from service.planning.queueing import wait_quantile_s
from service.planning.workload import Workload

_MAX_REPLICAS = 10**7
_P99 = 0.99
# A device's batches are all alike; what varies is how many images and classes requests bring.
_SERVICE_CV2 = 0.5


class PlanError(Exception):
    """No number of replicas meets the workload; the message says why."""


class Fleet(BaseModel):
    """Replicas of one device each. `needed` carry the peak, `replicas` also without one zone.

    registration_share: what registrations take of `request_s`.
    """

    model_config = ConfigDict(frozen=True)

    request_s: float
    registration_share: float
    replica_rps: float
    limited_by: str
    needed: int
    replicas: int
    while_upgrading: int
    cores: int
    gpus: int
    utilisation: float
    p99_s: float


class _Busy(NamedTuple):
    """Seconds for which the device, and all cores of a replica, are busy for each request."""

    device_s: float
    cores_s: float


def query_s(workload: Workload, profile: Profile) -> float:
    """Seconds of a device for the images of one request, at full batches."""
    engine, batch = profile.engine, profile.engine.max_batch
    fresh = 1 - workload.encode_hits
    batch_s = engine.batch_s(batch, workload.classes, workload.shots, fresh, workload.close_ups)
    return workload.images * batch_s / batch


def host_s(workload: Workload, profile: Profile) -> float:
    """Seconds of a core for one segment request, beside the device."""
    return profile.host.request_s(workload.images, workload.classes, workload.close_ups)


def plan_fleet(workload: Workload, profile: Profile) -> Fleet:
    """The smallest fleet that keeps within utilisation and p99.

    Raises:
        PlanError: even an idle replica would be too slow.
    """
    queries, registrations = _queries(workload, profile), _registrations(workload, profile)
    work_s = queries.device_s + registrations.device_s
    core_s = queries.cores_s + registrations.cores_s
    # On a CPU the network and everything else share the cores; beside a GPU they work abreast.
    on_cpu = profile.engine.device == "cpu"
    service_s = work_s + core_s if on_cpu else max(work_s, core_s)
    limited_by_cores = on_cpu or core_s > work_s
    queries_s = sum(queries) if on_cpu else queries[limited_by_cores]
    alone_s = _alone_s(workload, profile)
    needed = _needed(workload, service_s, alone_s)
    zones = workload.zones
    spare = needed + 1 if zones == 1 else math.ceil(needed * zones / (zones - 1))
    replicas = math.ceil(spare / zones) * zones
    return Fleet(
        request_s=service_s,
        registration_share=1 - queries_s / service_s,
        replica_rps=1 / service_s,
        limited_by="cores" if limited_by_cores else "device",
        needed=needed,
        replicas=replicas,
        while_upgrading=replicas + math.ceil(replicas * workload.surge),
        cores=replicas * profile.host.cores,
        gpus=0 if on_cpu else replicas,
        utilisation=workload.rps * service_s / needed,
        p99_s=alone_s + _wait_s(workload, service_s, needed),
    )


def _queries(workload: Workload, profile: Profile) -> _Busy:
    """For the images of a request."""
    return _Busy(query_s(workload, profile), host_s(workload, profile) / profile.host.cores)


def _registrations(workload: Workload, profile: Profile) -> _Busy:
    """For the registrations that come with a request, all of them with the defaults."""
    costs, shots = profile.registration, workload.shots
    classes = workload.registrations_s / workload.rps * workload.classes
    cores_s = classes * costs.host_s(shots) / profile.host.cores
    return _Busy(classes * costs.device_s(shots), cores_s)


def _alone_s(workload: Workload, profile: Profile) -> float:
    """Seconds of a request that does not queue.

    Raises:
        PlanError: they are too many already.
    """
    images, classes = workload.images, workload.classes
    engine_s = profile.engine.batch_s(images, classes, workload.shots, close_ups=workload.close_ups)
    alone_s = engine_s + host_s(workload, profile)
    if alone_s >= workload.p99_s:
        raise PlanError(
            f"a request takes {alone_s:.2f} s on an idle replica: allow a longer p99, fewer images "
            "or classes, or choose a faster device"
        )
    return alone_s


def _wait_s(workload: Workload, service_s: float, replicas: int) -> float:
    """p99 of the wait: with affinity each replica is a queue of its own; else the fleet has one."""
    servers, rate = replicas, workload.rps
    if workload.routing == "affinity":
        servers, rate = 1, workload.rps / replicas
    return wait_quantile_s(_P99, servers, rate, service_s, _SERVICE_CV2, workload.arrival_cv2)


def _needed(workload: Workload, service_s: float, alone_s: float) -> int:
    low = max(1, math.ceil(workload.rps * service_s / workload.utilisation))
    if low > _MAX_REPLICAS:
        raise PlanError(f"more than {_MAX_REPLICAS} replicas would be needed")

    def enough(replicas: int) -> bool:
        return alone_s + _wait_s(workload, service_s, replicas) <= workload.p99_s

    high = low
    while not enough(high):
        low, high = high + 1, high * 2
        if high > _MAX_REPLICAS:
            raise PlanError("no number of replicas keeps the p99: allow a longer one")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high
