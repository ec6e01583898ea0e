"""Requests of the whole fleet, and which replica each is routed to."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.planning.popularity import Popularity, popularity
from service.planning.simulation.scenario import Scenario

_MIX = np.uint64(0x9E3779B97F4A7C15)
_SALTS = np.arange(1, 5, dtype=np.uint64) * _MIX  # arrays wrap around without a warning
_MIX_2 = np.uint64(0xBF58476D1CE4E5B9)
TENTHS = 10  # of the fleet, by the last digit of a replica's number; one at a time is away
STEP_S = 0.1  # for which rate and routing stay: short beside bursts and faults


class Arrival(NamedTuple):
    """A request for a session, of a replica in the sample."""

    at: float
    session: int
    replica: int


def spread_of(scenario: Scenario) -> Popularity:
    """Popularity of the sessions at the scenario's rate."""
    load = scenario.workload
    return popularity(load.sessions, load.skew, min(1.0, load.hottest_rps / load.rps))


def down_tenth(scenario: Scenario, now: float) -> int | None:
    """Which tenth of the replicas is away at an instant."""
    since = now - scenario.fault_at_s
    if since < 0 or scenario.fault not in ("replicas", "upgrade"):
        return None
    step = int(since // scenario.fault_s) if scenario.fault == "upgrade" else 0
    return step if step < TENTHS else None


def arrivals(scenario: Scenario, rng: np.random.Generator) -> Iterator[Arrival]:
    """Requests to the sample in order of time; within a short step rate and routing stay."""
    spread = spread_of(scenario)
    for step in range(math.ceil(scenario.seconds / STEP_S)):
        now = step * STEP_S
        swing = math.sin(2 * math.pi * now / scenario.burst_period_s)
        rate = scenario.workload.rps * (1 + scenario.burst * swing)
        count = int(rng.poisson(rate * STEP_S))
        sessions = spread.draw(count, rng)
        replicas = route(scenario, sessions, down_tenth(scenario, now), rng)
        kept = np.flatnonzero(replicas < scenario.sample)
        times = np.sort(rng.random(len(kept))) * STEP_S + now
        for at, i in zip(times.tolist(), kept.tolist(), strict=True):
            yield Arrival(at, int(sessions[i]), int(replicas[i]))


def route(
    scenario: Scenario, sessions: NDArray[np.int64], down: int | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Replicas (N,) for sessions (N,); those of a replica that is away are spread over all."""
    fleet = np.uint64(scenario.replicas)
    keys = sessions.astype(np.uint64)
    if scenario.workload.routing == "random":
        keys = rng.integers(0, 2**63, len(sessions), dtype=np.uint64)
    found = (_hashed(keys) % fleet).astype(np.int64)
    for salt in _SALTS[:, None] if down is not None else ():
        away = found % TENTHS == down
        found[away] = (_hashed(keys[away] + salt) % fleet).astype(np.int64)
    return found


def _hashed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash of integers (splitmix64)."""
    mixed = (keys + _MIX) * _MIX_2
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) * _MIX, np.uint64) >> np.uint64(11)
