"""Runs a scenario and tells how its clients fared."""

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import simpy

from service.errors import StoreUnavailableError
from service.planning.simulation.arrivals import TENTHS, Arrival, arrivals, down_tenth
from service.planning.simulation.redis_share import RedisShare
from service.planning.simulation.replica import Replica
from service.planning.simulation.scenario import Scenario
from service.planning.simulation.warm import warm_copies

# Of Retry-After, by which clients wait longer at random, so that they do not all come at once.
_SPREAD = 0.5
_STORE_RETRY_AFTER_S = float(StoreUnavailableError.retry_after_s)
# A request that comes last has this long to be answered before the end.
_GRACE_S = 2.0
# A second is as before a fault if this share of its requests is answered this soon; a few always
# wait for a Retry-After.
_HEALTHY = 0.95
_PROMPT_S = 1.0


class Outcome(NamedTuple):
    """Shares of requests, and seconds.

    offered_rps: of the fleet; served: of the requests that came two seconds before the end or
    earlier, those answered by then; refused: answers 503 for each request; store_errors: of those,
    because Redis did not answer.
    device, redis: share of their time that they worked; copy_hits: requests that found a copy.
    recovered_s: after the fault began, until requests were served as before; none: never.
    """

    offered_rps: float
    served: float
    refused: float
    store_errors: float
    mean_s: float
    p50_s: float
    p99_s: float
    device: float
    redis: float
    copy_hits: float
    recovered_s: float | None


def simulate(scenario: Scenario) -> Outcome:
    """The same scenario has the same outcome."""
    return _Simulation(scenario).run()


class _Simulation:
    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._rng = np.random.default_rng(scenario.seed)
        self._env = simpy.Environment()
        self._redis = RedisShare(scenario)
        self._replicas = [Replica(self._env, scenario) for _ in range(scenario.sample)]
        self._hits = self._looked = self._refused = self._store_errors = 0
        self._arrived: list[float] = []
        self._finished: list[tuple[float, float, bool]] = []  # arrival, latency, served

    def run(self) -> Outcome:
        """Simulate to the end; whoever still waits then was not served."""
        if self._scenario.fault != "cold":
            self._warm()
        self._env.process(self._arrive())
        if self._scenario.fault in ("replicas", "upgrade"):
            self._env.process(self._restart())
        self._env.run(self._scenario.seconds)
        return self._outcome()

    def _warm(self) -> None:
        """Copies as after long service, see `warm_copies`."""
        for number, sessions in enumerate(warm_copies(self._scenario, self._rng)):
            for session in sessions.tolist():
                self._replicas[number].keep(session)

    def _arrive(self) -> Generator[simpy.Event, Any, None]:
        for arrival in arrivals(self._scenario, self._rng):
            yield self._env.timeout(max(0.0, arrival.at - self._env.now))
            self._arrived.append(arrival.at)
            self._env.process(self._client(arrival))

    def _restart(self) -> Generator[simpy.Event, Any, None]:
        """Whoever is away comes back without copies."""
        yield self._env.timeout(self._scenario.fault_at_s)
        for step in range(TENTHS):
            for number, replica in enumerate(self._replicas):
                if number % TENTHS == step and down_tenth(self._scenario, self._env.now) == step:
                    replica.restart()
            yield self._env.timeout(self._scenario.fault_s)

    def _client(self, arrival: Arrival) -> Generator[simpy.Event, Any, None]:
        """Asks, and asks again after Retry-After."""
        replica = self._replicas[arrival.replica]
        for attempt in range(self._scenario.retries + 1):
            pause_s = replica.refusal_s()
            if pause_s is None:
                answer = yield from self._ask(replica, arrival.session)
                if answer:
                    self._finish(arrival, served=True)
                    return
                pause_s = _STORE_RETRY_AFTER_S
            self._refused += 1
            if attempt < self._scenario.retries:
                yield self._env.timeout(pause_s * (1 + _SPREAD * self._rng.random()))
            if self._scenario.workload.routing == "random":
                replica = self._replicas[int(self._rng.integers(len(self._replicas)))]
        self._finish(arrival, served=False)

    def _ask(self, replica: Replica, session: int) -> Generator[simpy.Event, Any, bool]:
        """Whether it was answered; else Redis did not answer in time."""
        replica.inside += 1
        try:
            if not (yield from self._find(replica, session)):
                self._store_errors += 1
                return False
            yield self._env.timeout(replica.host_s())
            yield replica.infer()
            return True
        finally:
            replica.inside -= 1

    def _find(self, replica: Replica, session: int) -> Generator[simpy.Event, Any, bool]:
        """Every request asks Redis for the version, and for the session if there is no copy."""
        if self._redis.down(self._env.now):
            return False
        held = replica.holds(session)
        self._looked += 1
        self._hits += held
        wait_s = self._redis.answer_at(self._env.now, fetch=not held) - self._env.now
        if wait_s > self._scenario.store_timeout_s:
            yield self._env.timeout(self._scenario.store_timeout_s)
            return False
        yield self._env.timeout(wait_s)
        replica.keep(session)
        return True

    def _finish(self, arrival: Arrival, *, served: bool) -> None:
        self._finished.append((arrival.at, self._env.now - arrival.at, served))

    def _outcome(self) -> Outcome:
        scenario, count = self._scenario, max(1, len(self._arrived))
        counted_s = scenario.seconds - _GRACE_S
        due = max(1, sum(at <= counted_s for at in self._arrived))
        served = sum(good and at <= counted_s for at, _, good in self._finished)
        latencies = [latency for _, latency, served in self._finished if served]
        # Infinities cannot be interpolated between.
        p50_s, p99_s = np.quantile(latencies, (0.5, 0.99)) if latencies else (np.inf, np.inf)
        device_s = sum(replica.busy_s for replica in self._replicas)
        return Outcome(
            offered_rps=scenario.workload.rps,
            served=served / due,
            refused=self._refused / count,
            store_errors=self._store_errors / count,
            mean_s=float(np.mean(latencies)) if latencies else np.inf,
            p50_s=float(p50_s),
            p99_s=float(p99_s),
            device=device_s / len(self._replicas) / scenario.seconds,
            redis=min(1.0, self._redis.busy_s / scenario.seconds),
            copy_hits=self._hits / max(1, self._looked),
            recovered_s=self._recovered_s(),
        )

    def _recovered_s(self) -> float | None:
        """Until all whole seconds that follow have nearly all requests answered promptly."""
        began = 0.0 if self._scenario.fault == "cold" else self._scenario.fault_at_s
        seconds = int(self._scenario.seconds - _GRACE_S)
        prompt = [at for at, latency, served in self._finished if served and latency < _PROMPT_S]
        good, _ = np.histogram(prompt, bins=seconds, range=(0, seconds))
        came, _ = np.histogram(self._arrived, bins=seconds, range=(0, seconds))
        bad = np.flatnonzero((good < _HEALTHY * came) & (np.arange(seconds) >= began))
        if not len(bad):
            return 0.0
        ended = float(bad[-1]) + 1
        return None if ended >= seconds else ended - began
