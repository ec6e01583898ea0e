"""What engines of several bundles share: devices, caches of encodings, bounds on work."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from model.runtime import Device
from service.capacity import Admission
from service.engine.encoding_cache import EncodingCache
from service.engine.fair_lock import FairLock
from service.engine.options import EngineOptions
from service.telemetry import StageTimes, current_stages


class DeviceResources:
    """A device, and the encodings that lie on it."""

    def __init__(self, cache_bytes: int) -> None:
        self.device_lock = FairLock()
        self.cache = EncodingCache(cache_bytes)

    def lose_encodings(self) -> None:
        """Drop the encodings of a lost device; requests under way keep the old cache."""
        self.cache = EncodingCache(self.cache.max_bytes)


@dataclass
class Reservation:
    """Work of a request, in items that take turns with those of others; see `Lane.make_items`.

    request: whose work it is; None: that of a background job.
    seconds: of all items together.
    items: how many there are; `done`: how many of them are finished.
    since: when they were queued.
    """

    request: StageTimes | None
    seconds: float
    items: int
    since: float
    done: int = 0

    def finish_one(self) -> None:
        """Take note that one more item is finished."""
        self.done += 1

    def ahead_s(self, now: float) -> float:
        """Seconds of it that would be done before the first item of a request that came now."""
        item_s = self.seconds / self.items
        due_s = min(self.seconds, now - self.since + item_s)
        return max(0.0, due_s - self.done * item_s)


class EngineResources:
    """What all engines of a process share, so that a further bundle raises no bound.

    Args:
        options: of every engine.
        clock: seconds, monotonic.
    """

    def __init__(
        self, options: EngineOptions, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.images = Admission(options.max_queued_images, "images")
        self.devices = {device: DeviceResources(options.cache_bytes) for device in options.devices}
        self._clock = clock
        self._pending: dict[object, Reservation] = {}

    def device(self, device: Device) -> DeviceResources:
        """What belongs to one of the devices."""
        return self.devices[device]

    @property
    def cache_bytes(self) -> int:
        """Bytes of the encodings on all devices."""
        return sum(each.cache.nbytes for each in self.devices.values())

    @property
    def pending_requests(self) -> int:
        """Requests that have reserved work; one may reserve several times at once."""
        requests = [each.request for each in self._pending.values() if each.request is not None]
        return len(set(map(id, requests)))

    @property
    def pending_s(self) -> float:
        """Seconds of reserved work ahead of a request that came now, on all devices together."""
        now = self._clock()
        return sum(each.ahead_s(now) for each in self._pending.values())

    @contextmanager
    def reserve(self, cost_s: float, items: int = 1) -> Iterator[Reservation]:
        """A block in which a request has so many seconds of work reserved, in alike items."""
        ticket = object()
        reservation = Reservation(current_stages(), cost_s, items, self._clock())
        self._pending[ticket] = reservation
        try:
            yield reservation
        finally:
            del self._pending[ticket]
