"""Which devices a setting names."""

from pathlib import Path

import pytest

from model.runtime import Device
from service.engine.devices import all_gpus, parse_devices


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cpu", [Device()]),
        ("cuda", [Device("cuda", 0)]),
        ("cuda:0,cuda:1", [Device("cuda", 0), Device("cuda", 1)]),
        ("tensorrt:3,cpu", [Device("tensorrt", 3), Device()]),
        ("cuda:1,cuda:1", [Device("cuda", 1)]),
    ],
)
def test_devices_are_named_in_order_and_once(text: str, expected: list[Device]) -> None:
    assert parse_devices(text) == tuple(expected)


def test_every_gpu_of_the_driver_is_found_where_onnxruntime_can_use_it(tmp_path: Path) -> None:
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / bus).mkdir()
    both = (Device("cuda", 0), Device("cuda", 1))
    assert all_gpus(["CUDAExecutionProvider", "CPUExecutionProvider"], tmp_path) == both
    assert all_gpus(["CPUExecutionProvider"], tmp_path) == ()
    assert all_gpus(["CUDAExecutionProvider"], tmp_path / "no driver") == ()


def test_a_gpu_is_asked_for_with_its_number_and_bounds() -> None:
    ((name, options),) = Device("cuda", 2).providers(memory_limit_bytes=10)
    assert (name, options["device_id"], options["gpu_mem_limit"]) == (
        "CUDAExecutionProvider",
        "2",
        "10",
    )
    assert [name for name, _ in Device("tensorrt").providers()] == [
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
    ]
