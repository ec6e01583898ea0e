"""From a workload and unit costs to replicas, devices, Redis and network; docs/capacity.md."""

import math

from pydantic import BaseModel, ConfigDict

from service.planning.popularity import popularity
from service.planning.profile import Profile
from service.planning.queueing import wait_quantile_s
from service.planning.workload import Workload

_MAX_REPLICAS = 10**7
_P99 = 0.99
# A device's batches are all alike; what varies is how many images and classes requests bring.
_SERVICE_CV2 = 0.5


class PlanError(Exception):
    """No number of replicas meets the workload; the message says why."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Fleet(_Part):
    """Replicas of one device each. `needed` carry the peak, `replicas` also without one zone."""

    request_s: float
    replica_rps: float
    limited_by: str
    needed: int
    replicas: int
    while_upgrading: int
    cores: int
    gpus: int
    utilisation: float
    p99_s: float


class StorePlan(_Part):
    """Redis of all sessions, and the cells it must be divided into."""

    session_bytes: float
    memory_bytes: float
    copies_a_replica: float
    copy_hits: float
    commands_s: float
    out_bytes_s: float
    in_bytes_s: float
    core_share: float
    cells: int
    limited_by: str


class Traffic(_Part):
    """Bytes a second between clients and replicas."""

    in_bytes_s: float
    out_bytes_s: float


class Plan(_Part):
    """An answer with everything it stands on."""

    workload: Workload
    profile: Profile
    fleet: Fleet
    store: StorePlan
    network: Traffic


def make_plan(workload: Workload, profile: Profile) -> Plan:
    """The smallest fleet that keeps within utilisation and p99.

    Raises:
        PlanError: even an idle replica would be too slow.
    """
    fleet = _fleet(workload, profile)
    answers = workload.images * workload.classes * profile.wire.answer_bytes
    network = Traffic(
        in_bytes_s=workload.rps * workload.images * profile.wire.image_bytes,
        out_bytes_s=workload.rps * answers,
    )
    store = _store(workload, profile, fleet.needed)
    return Plan(workload=workload, profile=profile, fleet=fleet, store=store, network=network)


def registrations_s(workload: Workload) -> float:
    """New sessions a second, each with all its classes and shots."""
    return workload.sessions / (workload.session_hours * 3600)


def device_s(workload: Workload, profile: Profile) -> float:
    """Seconds of a device for each request, at full batches, its share of registrations too."""
    engine = profile.engine
    support_s = (engine.batch_ms / engine.max_batch + engine.image_ms) / 1000
    supports = registrations_s(workload) / workload.rps * workload.classes * workload.shots
    return query_s(workload, profile) + supports * support_s


def query_s(workload: Workload, profile: Profile) -> float:
    """Seconds of a device for the images of one request, at full batches."""
    engine, batch = profile.engine, profile.engine.max_batch
    fresh = 1 - workload.encode_hits
    batch_s = engine.batch_s(batch, workload.classes, workload.shots, fresh, workload.close_ups)
    return workload.images * batch_s / batch


def host_s(workload: Workload, profile: Profile) -> float:
    """Seconds of a core for one request, beside the device."""
    return profile.host.request_s(workload.images, workload.classes, workload.close_ups)


def _fleet(workload: Workload, profile: Profile) -> Fleet:
    work_s = device_s(workload, profile)
    core_s = host_s(workload, profile) / profile.host.cores
    # On a CPU the network and everything else share the cores; beside a GPU they work abreast.
    on_cpu = profile.engine.device == "cpu"
    service_s = work_s + core_s if on_cpu else max(work_s, core_s)
    alone_s = _alone_s(workload, profile)
    if alone_s >= workload.p99_s:
        raise PlanError(
            f"a request takes {alone_s:.2f} s on an idle replica: allow a longer p99, fewer images "
            "or classes, or choose a faster device"
        )
    needed = _needed(workload, service_s, alone_s)
    zones = workload.zones
    spare = needed + 1 if zones == 1 else math.ceil(needed * zones / (zones - 1))
    replicas = math.ceil(spare / zones) * zones
    return Fleet(
        request_s=service_s,
        replica_rps=1 / service_s,
        limited_by="cores" if on_cpu or core_s > work_s else "device",
        needed=needed,
        replicas=replicas,
        while_upgrading=replicas + math.ceil(replicas * workload.surge),
        cores=replicas * profile.host.cores,
        gpus=0 if on_cpu else replicas,
        utilisation=workload.rps * service_s / needed,
        p99_s=alone_s + _wait_s(workload, service_s, needed),
    )


def _alone_s(workload: Workload, profile: Profile) -> float:
    """Seconds of a request that does not queue."""
    images, classes = workload.images, workload.classes
    engine_s = profile.engine.batch_s(images, classes, workload.shots, close_ups=workload.close_ups)
    return engine_s + host_s(workload, profile)


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


def copy_hits(workload: Workload, profile: Profile, replicas: int) -> tuple[float, float]:
    """Sessions that a replica has room for, and the share of requests that find theirs."""
    content = profile.store.content_bytes(workload.classes, workload.shots)
    room = workload.copies_bytes / content
    hottest = min(1.0, workload.hottest_rps / workload.rps)
    spread = popularity(workload.sessions, workload.skew, hottest)
    # With affinity all replicas together are one cache; else each sees every session.
    whole = room * replicas if workload.routing == "affinity" else room
    return room, spread.hit_rate(whole)


def _store(workload: Workload, profile: Profile, replicas: int) -> StorePlan:
    costs, rps = profile.store, workload.rps
    content = costs.content_bytes(workload.classes, workload.shots)
    room, hits = copy_hits(workload, profile, replicas)
    misses = rps * (1 - hits)
    fresh = registrations_s(workload)
    memory = workload.sessions * content * costs.memory_factor
    out = rps * costs.touch_bytes / 2 + misses * content
    core = rps * costs.touch_us / 1e6 + (misses + fresh) * costs.fetch_s(content)
    max_utilisation = workload.redis_utilisation
    cells = {
        "memory": memory / (max_utilisation * workload.redis_bytes),
        "bandwidth": out / (max_utilisation * workload.redis_bytes_s),
        "core": core / max_utilisation,
    }
    limit = max(cells, key=lambda name: cells[name])
    return StorePlan(
        session_bytes=content,
        memory_bytes=memory,
        copies_a_replica=room,
        copy_hits=hits,
        commands_s=rps + misses + fresh * workload.classes,
        out_bytes_s=out,
        in_bytes_s=rps * costs.touch_bytes / 2 + fresh * content,
        core_share=core,
        cells=max(1, math.ceil(cells[limit])),
        limited_by=limit,
    )
