"""How much of a GPU's memory is in use."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from model.runtime import Device


class DeviceMemory(NamedTuple):
    """Bytes in use on a device, whenever they are read, and bytes that it has."""

    read_used: Callable[[], float]
    total: float


def device_memory(device: Device) -> DeviceMemory | None:
    """The memory of a GPU; none for the CPU, whose memory is the process's.

    NVIDIA's management library comes with the requirements for GPUs alone.
    """
    if device.kind == "cpu" or find_spec("pynvml") is None:
        return None
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(device.number)
    return DeviceMemory(
        read_used=lambda: float(pynvml.nvmlDeviceGetMemoryInfo(handle).used),
        total=float(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    )
