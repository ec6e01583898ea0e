"""How much of a GPU's memory is in use."""

from collections.abc import Callable
from importlib.util import find_spec

from model.runtime import Device


def memory_gauge(device: Device) -> Callable[[], float] | None:
    """What reads the bytes in use on a GPU; none for the CPU, whose memory is the process's.

    NVIDIA's management library comes with the requirements for GPUs alone.
    """
    if device.kind == "cpu" or find_spec("pynvml") is None:
        return None
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(device.number)
    return lambda: float(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
