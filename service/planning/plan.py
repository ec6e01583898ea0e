"""From a workload and unit costs to replicas, devices, Redis and network; docs/capacity.md."""

import math

from pydantic import BaseModel, ConfigDict

from service.planning.fleet import Fleet, plan_fleet
from service.planning.popularity import popularity
from service.planning.profile import Profile
from service.planning.workload import Workload


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


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
    fleet = plan_fleet(workload, profile)
    answers = workload.images * workload.classes * profile.wire.answer_bytes
    network = Traffic(
        in_bytes_s=workload.rps * workload.images * profile.wire.image_bytes,
        out_bytes_s=workload.rps * answers,
    )
    store = _store(workload, profile, fleet.needed)
    return Plan(workload=workload, profile=profile, fleet=fleet, store=store, network=network)


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
    fresh = workload.registrations_s
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
