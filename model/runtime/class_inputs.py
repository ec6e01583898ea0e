"""The class side of the head, laid out once for the batches that come again."""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import onnxruntime as ort

from model.contract import GateFusion, SupportSet, collate_classes
from model.lru_cache import LRUCache
from model.runtime.device import Device

Inputs = Mapping[str, ort.OrtValue]


class _LaidOut(NamedTuple):
    """Inputs, and the classes that they are of; these must live for as long as their ids count."""

    inputs: Inputs
    classes: tuple[SupportSet, ...]
    nbytes: int


class ClassInputs:
    """Lays out classes for the head in the memory of the device, and keeps what came last there.

    A session's images are asked for the same classes one after the other, so laying them out and
    copying them to the device, megabytes a shot, is worth doing once.

    Args:
        device: whose memory they go to.
        gates: how the shots' gates are fused, as the bundle's manifest says.
        limit_bytes: of all that is kept; the last is kept whatever it takes, unless this is 0.
    """

    def __init__(self, device: Device, gates: GateFusion, limit_bytes: int) -> None:
        self._device, self._gates = device, gates
        self._kept: LRUCache[_LaidOut] | None = None
        if limit_bytes:
            self._kept = LRUCache(lambda laid_out: laid_out.nbytes, limit_bytes)
        self._lock = Lock()

    def of(self, classes: Sequence[SupportSet]) -> Inputs:
        """The inputs of P pairs, by name (axes as in `model.contract.graphs.HEAD`).

        Raises:
            ValueError: no class, or a class without shots.
        """
        if self._kept is None:
            return self._lay_out(classes).inputs
        with self._lock:
            return self._kept.get(tuple(map(id, classes)), lambda: self._lay_out(classes)).inputs

    def _lay_out(self, classes: Sequence[SupportSet]) -> _LaidOut:
        arrays = collate_classes(classes, gates=self._gates)._asdict()
        inputs = {
            name: ort.OrtValue.ortvalue_from_numpy(
                array, self._device.memory, self._device.memory_number
            )
            for name, array in arrays.items()
        }
        return _LaidOut(inputs, tuple(classes), sum(array.nbytes for array in arrays.values()))
