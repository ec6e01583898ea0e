"""The share of all Redis that the sampled replicas have."""

from service.planning.simulation.scenario import Scenario


class RedisShare:
    """First come, first served; requests that timed out are served all the same, as by Redis."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        load, costs = scenario.workload, scenario.profile.store
        share = scenario.redis * scenario.sample / scenario.replicas
        content = costs.content_bytes(load.classes, load.shots)
        line = load.redis_bytes_s
        self._touch_s = max(costs.touch_us / 1e6, costs.touch_bytes / 2 / line) / share
        self._fetch_s = max(costs.fetch_s(content), content / line) / share
        self._free_at = 0.0
        self.busy_s = 0.0

    def down(self, now: float) -> bool:
        """Whether it is dead at an instant."""
        since = now - self._scenario.fault_at_s
        return self._scenario.fault == "redis" and 0 <= since < self._scenario.fault_s

    def answer_at(self, now: float, *, fetch: bool) -> float:
        """When a request that asks now has its answer, and the session if it needs it."""
        service_s = self._touch_s + (self._fetch_s if fetch else 0.0)
        self._free_at = max(now, self._free_at) + service_s
        self.busy_s += service_s
        return self._free_at
