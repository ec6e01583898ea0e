"""When a device is loaded anew, and when it counts as lost."""

from collections import Counter
from enum import Enum, auto

from service.errors import InferenceError

# One batch may fail because of its content. So many in a row fail because of the device.
_BATCHES_UNTIL_BROKEN = 3
_RELOADS_UNTIL_LOST = 5
_PAUSES_S = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)

INFERENCE_ATTEMPTS = _BATCHES_UNTIL_BROKEN + 1
"""How often work that nobody waits for is tried when it ends in `InferenceError`: a broken device
fails its first batches like that, as if the items in them were at fault."""


class DeviceState(Enum):
    """What a worker knows of its device."""

    WORKING = auto()
    BROKEN = auto()
    """It must be loaded anew."""
    LOST = auto()
    """That has failed several times, and is still tried."""


class Recovery:
    """Counts what fails on a device, in a row, and tells what follows from it.

    state: of the device, which is loaded at first.

    Args:
        device: its name, for messages.
    """

    def __init__(self, device: str) -> None:
        self.state = DeviceState.WORKING
        self._device = device
        self._failed_batches: Counter[str] = Counter()  # by lane: heads may work, encoders not
        self._failed_reloads = 0
        self._reason: str | None = None

    @property
    def failure(self) -> str | None:
        """Why the device does not come back, if it counts as lost."""
        return self._reason if self.state is DeviceState.LOST else None

    def ran(self, lane: str, failure: Exception | None) -> None:
        """A batch of a lane has run; one whose output is not finite is no fault of the device.

        Raises:
            InferenceError: batch after batch of the lane fails.
        """
        broken = failure is not None and not isinstance(failure, FloatingPointError)
        self._failed_batches[lane] = self._failed_batches[lane] + 1 if broken else 0
        if self._failed_batches[lane] >= _BATCHES_UNTIL_BROKEN:
            raise InferenceError("batch after batch fails on this device") from failure

    def crashed(self) -> None:
        """Everything that ran on the device was lost."""
        self._failed_batches.clear()
        if self.state is DeviceState.WORKING:
            self.state = DeviceState.BROKEN

    def reloaded(self) -> None:
        """It works again."""
        self.state = DeviceState.WORKING
        self._failed_reloads = 0

    def not_reloaded(self, cause: Exception) -> float:
        """It could not be loaded; the seconds until that is worth another attempt."""
        self._failed_reloads += 1
        if self._failed_reloads >= _RELOADS_UNTIL_LOST:
            self._reason = f"{self._device}: {type(cause).__name__}: {cause}"
            self.state = DeviceState.LOST
        return _PAUSES_S[min(self._failed_reloads, len(_PAUSES_S)) - 1]
