"""What engines of several bundles share: devices, caches, bounds on work."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from service.capacity import Admission
from service.engine.encoding_cache import EncodingCache
from service.engine.fair_lock import FairLock
from service.engine.looks import Looks
from service.engine.options import EngineOptions
from service.engine.prediction_cache import PredictionCache
from service.telemetry import StageTimes, current_stages


class DeviceResources:
    """A device, and the encodings that lie on it."""

    def __init__(self, cache_bytes: int) -> None:
        self.device_lock = FairLock()
        self.cache = EncodingCache(cache_bytes)

    def lose_encodings(self) -> None:
        """Drop the encodings of a lost device; requests under way keep the old cache."""
        self.cache = EncodingCache(self.cache.max_bytes)


class _Pending(NamedTuple):
    """Work that is still to be done; `request` is None where it is for a background job.

    Its items take turns with those of other requests, so `next_s`, the seconds of one of them, are
    ahead of a request that comes now.
    """

    request: StageTimes | None
    next_s: float


class EngineResources:
    """What all engines of a process share, so that a further bundle raises no bound.

    Args:
        options: of every engine.
    """

    def __init__(self, options: EngineOptions) -> None:
        self.images = Admission(options.max_queued_images, "images")
        self.predictions = PredictionCache(options.prediction_cache_bytes)
        self.devices = {
            device: DeviceResources(options.encode_cache_bytes) for device in options.devices
        }
        self._pending: dict[object, _Pending] = {}
        self._looks = Looks()

    @property
    def cached_bytes(self) -> int:
        """Bytes of the encodings on all devices, and of the predictions."""
        encodings = sum(each.cache.nbytes for each in self.devices.values())
        return encodings + self.predictions.nbytes

    @property
    def pending_requests(self) -> int:
        """Requests that have reserved work; one may reserve several times at once."""
        requests = [each.request for each in self._pending.values() if each.request is not None]
        return len(set(map(id, requests)))

    @property
    def pending_s(self) -> float:
        """Seconds of reserved work ahead of a request that came now, on all devices together."""
        return sum(each.next_s for each in self._pending.values())

    @property
    def looks(self) -> float:
        """How often a request for masks goes through the queues; see `Looks.mean`."""
        return self._looks.mean

    @contextmanager
    def reserve(self, cost_s: float, items: int = 1, *, looks: bool = False) -> Iterator[None]:
        """A block in which a request has so many seconds of work reserved, in alike items.

        `looks`: at images, for masks; it may come back for close-ups and tiles.
        """
        ticket, request = object(), current_stages()
        self._pending[ticket] = _Pending(request, cost_s / items)
        try:
            with self._looks.look(request if looks else None):
                yield
        finally:
            del self._pending[ticket]
