"""How much of a GPU's memory is in use."""

import logging
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from model.runtime import Device
from service.engine.devices import visible_gpus

_log = logging.getLogger(__name__)


class DeviceMemory(NamedTuple):
    """A reader of the bytes in use on a device, and its total bytes."""

    read_used: Callable[[], float]
    total: float


def device_memory(device: Device) -> DeviceMemory | None:
    """The memory of a GPU; none for the CPU, whose memory is the process's.

    NVIDIA's management library comes with the requirements for GPUs alone. Where it, or a right to
    ask it, is missing, that is logged and the device works without this gauge.
    """
    if device.kind == "cpu" or find_spec("pynvml") is None:
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        visible = visible_gpus()  # nothing where the driver does not list its GPUs, as under WSL
        name = visible[device.number] if device.number < len(visible) else str(device.number)
        if name.isdecimal():
            handle = pynvml.nvmlDeviceGetHandleByIndex(int(name))
        else:
            handle = pynvml.nvmlDeviceGetHandleByUUID(name)
        total = float(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    except pynvml.NVMLError as exc:
        _log.warning(
            "memory of a device not shown", extra={"device": str(device), "reason": str(exc)}
        )
        return None
    return DeviceMemory(lambda: float(pynvml.nvmlDeviceGetMemoryInfo(handle).used), total)
