"""What engines of several bundles share: devices, memory for encodings, and the bounds on work."""

from collections.abc import Iterator
from contextlib import contextmanager

from model.runtime import Device
from service.engine.admission import Admission
from service.engine.encoding_cache import EncodingCache
from service.engine.options import EngineOptions
from service.engine.turns import Turns


class SharedDevice:
    """A device, and the encodings that lie on it."""

    def __init__(self, cache_bytes: int) -> None:
        self.turns = Turns()
        self.cache = EncodingCache(cache_bytes)

    def lose_encodings(self) -> None:
        """A lost device's encodings are of no use; requests on their way keep the old ones."""
        self.cache = EncodingCache(self.cache.max_bytes)


class Shared:
    """Of all engines of a process, so that a further bundle raises no bound.

    Args:
        options: of every engine.
    """

    def __init__(self, options: EngineOptions) -> None:
        self.images = Admission(options.max_queued_images, "images")
        self.devices = {device: SharedDevice(options.cache_bytes) for device in options.devices}
        self._owed_s: dict[object, float] = {}

    def device(self, device: Device) -> SharedDevice:
        """What belongs to one of the devices."""
        return self.devices[device]

    @property
    def cache_bytes(self) -> int:
        """Of encodings on all devices."""
        return sum(each.cache.nbytes for each in self.devices.values())

    @property
    def owing(self) -> int:
        """Requests whose work is known."""
        return len(self._owed_s)

    @property
    def owed_s(self) -> float:
        """Seconds of work for them, on all devices together."""
        return sum(self._owed_s.values())

    @contextmanager
    def owe(self, cost_s: float) -> Iterator[None]:
        """A block in which so much work is owed to a request."""
        ticket = object()
        self._owed_s[ticket] = cost_s
        try:
            yield
        finally:
            del self._owed_s[ticket]
