"""Parses the setting of the devices that the engine works on."""

import os
import re
from collections.abc import Sequence
from itertools import takewhile
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
    return tuple(Device("cuda", number) for number, _ in enumerate(visible_gpus(driver)))


def visible_gpus(driver: Path = _NVIDIA) -> list[str]:
    """What CUDA numbers from 0: GPUs by their number in the driver, or by their UUID.

    As CUDA does, whatever stands behind an invalid entry of CUDA_VISIBLE_DEVICES is left out.
    """
    every = [str(number) for number, _ in enumerate(driver.iterdir())] if driver.is_dir() else []
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return every
    entries = (entry.strip() for entry in listed.split(","))
    return list(takewhile(lambda e: e in every or e.startswith(("GPU-", "MIG-")), entries))
