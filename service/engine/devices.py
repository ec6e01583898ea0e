"""Parses the setting of the devices that the engine works on."""

import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

import onnxruntime as ort

from model.runtime import Device
from service.device_names import device_names

_NVIDIA = Path("/proc/driver/nvidia/gpus")


def parse_devices(text: str) -> tuple[Device, ...]:
    """The devices of the setting `FSS_DEVICES`, each once.

    `auto` is every GPU where onnxruntime was built for them and the driver shows some; else the
    CPU.

    Raises:
        ValueError: some part of the text is no name of a device.
    """
    if text == "auto":
        return all_gpus() or (Device(),)
    return tuple(dict.fromkeys(Device(*name) for name in device_names(text)))


def all_gpus(providers: Sequence[str] | None = None, driver: Path = _NVIDIA) -> tuple[Device, ...]:
    """The GPUs that this process may use, if onnxruntime can use any."""
    built_for = ort.get_available_providers() if providers is None else providers
    if "CUDAExecutionProvider" not in built_for:
        return ()
    return tuple(Device("cuda", number) for number, _ in enumerate(visible_gpus(driver)))


def visible_gpus(driver: Path = _NVIDIA) -> list[str]:
    """What CUDA numbers from 0: GPUs by their number in the driver, or by their UUID.

    As CUDA does, whatever stands behind an invalid entry of CUDA_VISIBLE_DEVICES is left out.
    """
    every = [str(number) for number in range(_count_gpus(driver))]
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return every
    entries = (entry.strip() for entry in listed.split(","))
    return list(takewhile(lambda e: e in every or e.startswith(("GPU-", "MIG-")), entries))


def _count_gpus(driver: Path) -> int:
    """How many GPUs there are for this process.

    By NVIDIA's management library, where it is installed: in a container that was given one of
    eight GPUs, the driver's folder may list all eight.
    """
    if find_spec("pynvml") is not None:
        import pynvml

        with suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            return int(pynvml.nvmlDeviceGetCount())
    return len(list(driver.iterdir())) if driver.is_dir() else 0
