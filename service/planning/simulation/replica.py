"""A replica: its copies of sessions, its bound on what is inside, and its device's batches."""

import math
from collections import OrderedDict, deque
from collections.abc import Generator
from typing import Any

import simpy

from service.planning.simulation.scenario import Scenario


class Replica:
    """One device behind one process.

    Args:
        env: clock and events.
        scenario: costs and bounds.
    """

    def __init__(self, env: simpy.Environment, scenario: Scenario) -> None:
        load, costs = scenario.workload, scenario.profile.store
        self._env, self._scenario = env, scenario
        self._room = int(load.copies_bytes / costs.content_bytes(load.classes, load.shots))
        self._copies: OrderedDict[int, None] = OrderedDict()
        self._queue: deque[simpy.Event] = deque()
        self._wake = env.event()
        self._cores_free_at = 0.0
        self._on_cpu = scenario.profile.engine.device == "cpu"
        self.inside = 0
        self.busy_s = 0.0
        env.process(self._work())

    def refusal_s(self) -> float | None:
        """Retry-After for a request that came now; none: it is let in."""
        wait_s = self.inside * self._scenario.busy_s
        if self.inside >= self._scenario.max_requests:
            return 1.0
        if wait_s > self._scenario.max_wait_s:
            return float(math.ceil(wait_s / 2))
        return None

    def holds(self, session: int) -> bool:
        """Whether there is a copy, which counts as a use."""
        if session not in self._copies:
            return False
        self._copies.move_to_end(session)
        return True

    def keep(self, session: int) -> None:
        """Keep a copy; the least recently used are evicted."""
        self._copies[session] = None
        self._copies.move_to_end(session)
        while len(self._copies) > self._room:
            self._copies.popitem(last=False)

    def restart(self) -> None:
        """Restart with nothing in memory."""
        self._copies.clear()

    def host_s(self) -> float:
        """Seconds until the cores have decoded a request that comes now."""
        if self._on_cpu:
            return 0.0  # counted with the batch: the cores are the device
        now = self._env.now
        self._cores_free_at = max(now, self._cores_free_at) + self._scenario.core_s
        return self._cores_free_at - now

    def infer(self) -> simpy.Event:
        """What happens when the device has answered."""
        done = self._env.event()
        self._queue.append(done)
        if not self._wake.triggered:
            self._wake.succeed()
        return done

    def _work(self) -> Generator[simpy.Event, Any, None]:
        load, engine = self._scenario.workload, self._scenario.profile.engine
        fresh = 1 - load.encode_hits
        max_count = max(1, engine.max_batch // load.images)
        while True:
            if not self._queue:
                self._wake = self._env.event()
                yield self._wake
            batch = [self._queue.popleft() for _ in range(min(max_count, len(self._queue)))]
            images = len(batch) * load.images
            took_s = engine.batch_s(images, load.classes, load.shots, fresh, load.close_ups)
            took_s += len(batch) * self._scenario.core_s if self._on_cpu else 0.0
            self.busy_s += took_s
            yield self._env.timeout(took_s)
            for done in batch:
                done.succeed()
