"""What engines of several bundles share: devices, memory for encodings, and the bounds on work."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from model.runtime import Device
from service.engine.admission import Admission
from service.engine.encoding_cache import EncodingCache
from service.engine.options import EngineOptions
from service.engine.turns import Turns
from service.telemetry import StageTimes, current_stages


class SharedDevice:
    """A device, and the encodings that lie on it."""

    def __init__(self, cache_bytes: int) -> None:
        self.turns = Turns()
        self.cache = EncodingCache(cache_bytes)

    def lose_encodings(self) -> None:
        """A lost device's encodings are of no use; requests on their way keep the old ones."""
        self.cache = EncodingCache(self.cache.max_bytes)


class _Owed(NamedTuple):
    """Work that is still to be done; without a request where it is for a job."""

    request: StageTimes | None
    seconds: float


class Shared:
    """What all engines of a process share, so that a further bundle raises no bound.

    Args:
        options: of every engine.
    """

    def __init__(self, options: EngineOptions) -> None:
        self.images = Admission(options.max_queued_images, "images")
        self.devices = {device: SharedDevice(options.cache_bytes) for device in options.devices}
        self._owed: dict[object, _Owed] = {}

    def device(self, device: Device) -> SharedDevice:
        """What belongs to one of the devices."""
        return self.devices[device]

    @property
    def cache_bytes(self) -> int:
        """Bytes of the encodings on all devices."""
        return sum(each.cache.nbytes for each in self.devices.values())

    @property
    def owing(self) -> int:
        """Requests whose work is known; one may ask for several things at once."""
        requests = [each.request for each in self._owed.values() if each.request is not None]
        return len(set(map(id, requests)))

    @property
    def owed_s(self) -> float:
        """Seconds of work that is still to be done, on all devices together."""
        return sum(each.seconds for each in self._owed.values())

    @contextmanager
    def owe(self, cost_s: float) -> Iterator[None]:
        """A block in which so much work is owed to a request."""
        ticket = object()
        self._owed[ticket] = _Owed(current_stages(), cost_s)
        try:
            yield
        finally:
            del self._owed[ticket]
