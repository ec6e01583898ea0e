"""The names of devices in the settings, such as `cpu` or `cuda:0,cuda:1`."""

import re
from typing import Literal, NamedTuple, cast

Kind = Literal["cpu", "cuda", "tensorrt"]

_NAME = re.compile(r"(cpu|cuda|tensorrt)(?::(\d{1,2}))?")


class DeviceName(NamedTuple):
    """A kind of device, and its number among those of the kind."""

    kind: Kind
    number: int


def device_names(text: str) -> list[DeviceName]:
    """The devices that a text lists, by commas, in order.

    Raises:
        ValueError: some part of it is no name of a device.
    """
    names: list[DeviceName] = []
    for part in text.split(","):
        match = _NAME.fullmatch(part)
        if match is None:
            raise ValueError("must be auto, or devices such as cpu, cpu:0,cpu:1 or cuda:0,cuda:1")
        names.append(DeviceName(cast("Kind", match[1]), int(match[2] or 0)))
    return names
