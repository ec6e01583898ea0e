"""The caches of replicas in the steady state, sampled instead of simulated."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from service.planning.simulation.arrivals import route, spread_of
from service.planning.simulation.scenario import Scenario

_CHUNK = 1_000_000
_DRAWS_A_COPY = 8


def warm_copies(scenario: Scenario, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """For each sampled replica the sessions (N,) it holds copies of, longest unused first."""
    load, costs = scenario.workload, scenario.profile.store
    room = int(load.copies_bytes / costs.content_bytes(load.classes, load.shots))
    if load.routing == "random":  # every replica sees all sessions
        for _ in range(scenario.sample):
            asked = spread_of(scenario).draw(_DRAWS_A_COPY * min(room, load.sessions), rng)
            latest_first, at = np.unique(asked[::-1], return_index=True)
            yield latest_first[np.argsort(at)][:room][::-1]
        return
    held = list(_with_affinity(scenario, room * scenario.replicas, rng))
    sessions, replicas, ages = (np.concatenate(part) for part in zip(*held, strict=True))
    for number in range(scenario.sample):
        own = np.flatnonzero(replicas == number)
        yield sessions[own[np.argsort(-ages[own])]]


def _with_affinity(
    scenario: Scenario, room: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Sessions of the sample that were used lately enough: replica, and requests since then.

    The time since the last use is exponential; copies live as long as Che's approximation says.
    """
    spread = spread_of(scenario)
    characteristic_time = np.inf if room >= spread.count else spread.characteristic_time(room)
    for first in range(0, spread.count, _CHUNK):
        sessions = np.arange(first, min(first + _CHUNK, spread.count))
        replicas = route(scenario, sessions, None, rng)
        kept = replicas < scenario.sample
        sessions, replicas = sessions[kept], replicas[kept]
        ages = rng.exponential(1 / spread.chances(sessions))
        used = ages < characteristic_time
        yield sessions[used], replicas[used], ages[used]
