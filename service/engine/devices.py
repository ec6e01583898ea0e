"""Which devices the engine works on, from what the setting says."""

import re
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from model.runtime import Device

_ONE = re.compile(r"(cpu|cuda|tensorrt)(?::(\d+))?")
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def parse_devices(text: str) -> tuple[Device, ...]:
    """`auto`, or devices such as `cuda:0,cuda:1`, each once; see `service.settings.devices`.

    `auto` is every GPU where onnxruntime was built for them and the driver shows some; else the
    CPU.
    """
    if text == "auto":
        return all_gpus() or (Device(),)
    named = (Device(kind, int(number or 0)) for kind, number in _ONE.findall(text))
    return tuple(dict.fromkeys(named))


def all_gpus(providers: Sequence[str] | None = None, driver: Path = _NVIDIA) -> tuple[Device, ...]:
    """The GPUs that the driver shows, if onnxruntime can use any."""
    built_for = ort.get_available_providers() if providers is None else providers
    if "CUDAExecutionProvider" not in built_for or not driver.is_dir():
        return ()
    return tuple(Device("cuda", number) for number, _ in enumerate(driver.iterdir()))
