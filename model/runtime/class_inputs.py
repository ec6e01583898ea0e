"""The class side of the head, laid out once for the batches that come again."""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import onnxruntime as ort

from model.contract import GateFusion, SupportSet, collate_classes
from model.lru_cache import LRUCache
from model.runtime.device import Device

ClassTensors = Mapping[str, ort.OrtValue]


class _Kept(NamedTuple):
    """Tensors, and the classes that they are of; these must live for as long as their ids count."""

    tensors: ClassTensors
    classes: tuple[SupportSet, ...]
    nbytes: int


class ClassInputs:
    """Lays out classes for the head in the memory of the device, and keeps what came last there.

    A session's images are asked for the same classes one after the other, so laying them out and
    copying them to the device, megabytes a shot, is worth doing once. They are found again where
    the same objects come in the same order.

    Args:
        device: whose memory they go to.
        gates: how the shots' gates are fused, as the bundle's manifest says.
        limit_bytes: of all that is kept; the last is kept whatever it takes, unless this is 0.
    """

    def __init__(self, device: Device, gates: GateFusion, limit_bytes: int) -> None:
        self._device, self._gates = device, gates
        self._kept: LRUCache[_Kept] | None = None
        if limit_bytes:
            self._kept = LRUCache(lambda kept: kept.nbytes, limit_bytes)
        self._lock = Lock()

    def of(self, classes: Sequence[SupportSet]) -> ClassTensors:
        """The inputs of P pairs, by name (axes as in `model.contract.graphs.HEAD`).

        Raises:
            ValueError: no class, or a class without shots.
        """
        if self._kept is None:
            return self.lay_out(classes)
        with self._lock:
            return self._kept.get(tuple(map(id, classes)), lambda: self._keep(classes)).tensors

    def lay_out(self, classes: Sequence[SupportSet]) -> ClassTensors:
        """The same, for classes that will not come again.

        Raises:
            ValueError: no class, or a class without shots.
        """
        arrays = collate_classes(classes, gates=self._gates)._asdict()
        return {
            name: ort.OrtValue.ortvalue_from_numpy(
                array, self._device.memory, self._device.memory_number
            )
            for name, array in arrays.items()
        }

    def _keep(self, classes: Sequence[SupportSet]) -> _Kept:
        tensors = self.lay_out(classes)
        nbytes = sum(tensor.tensor_size_in_bytes() for tensor in tensors.values())
        return _Kept(tensors, tuple(classes), nbytes)
