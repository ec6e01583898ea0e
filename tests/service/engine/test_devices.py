"""Which devices a setting names."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import ValidationError

from model.runtime import Device
from service.assembly.engines import engine_options
from service.engine.devices import all_gpus, parse_devices, visible_gpus
from service.settings import Settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cpu", [Device()]),
        ("cuda", [Device("cuda", 0)]),
        ("cuda:0,cuda:1", [Device("cuda", 0), Device("cuda", 1)]),
        ("tensorrt:3,cpu", [Device("tensorrt", 3), Device()]),
        ("cuda:1,cuda:1", [Device("cuda", 1)]),
        ("cpu:0,cpu:1", [Device(), Device("cpu", 1)]),
    ],
)
def test_devices_are_named_in_order_and_once(text: str, expected: list[Device]) -> None:
    assert parse_devices(text) == tuple(expected)


@pytest.mark.parametrize("text", ["", "gpu", "cuda:0;cpu", "cuda:0,", "cuda:100", "xcpu", "cpu x"])
def test_a_part_that_names_no_device_is_refused_wherever_devices_are_read(text: str) -> None:
    with pytest.raises(ValueError, match="must be auto, or devices such as"):
        parse_devices(text)
    with pytest.raises(ValidationError, match="must be auto, or devices such as"):
        Settings(devices=text)


def test_every_gpu_of_the_driver_is_found_where_onnxruntime_can_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / bus).mkdir()
    both = (Device("cuda", 0), Device("cuda", 1))
    assert all_gpus(["CUDAExecutionProvider", "CPUExecutionProvider"], tmp_path) == both
    assert all_gpus(["CPUExecutionProvider"], tmp_path) == ()
    assert all_gpus(["CUDAExecutionProvider"], tmp_path / "no driver") == ()


@pytest.mark.parametrize(("reachable", "found"), [(1, 1), (None, 2)])
def test_gpus_that_a_container_does_not_have_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: int | None, found: int
) -> None:
    """The driver's folder may list all GPUs of the host; NVML counts those that can be opened."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    class Library(ModuleType):
        NVMLError = RuntimeError

        def nvmlInit(self) -> None:  # noqa: N802 - its name
            if reachable is None:
                raise RuntimeError("no library of the driver")

        def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - its name
            assert reachable is not None
            return reachable

    library = Library("pynvml")
    library.__spec__ = ModuleSpec("pynvml", None)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / bus).mkdir()
    devices = tuple(Device("cuda", number) for number in range(found))
    assert all_gpus(["CUDAExecutionProvider"], tmp_path) == devices


@pytest.mark.parametrize(
    ("listed", "visible"),
    [("1", ["1"]), ("1,0", ["1", "0"]), ("", []), ("0,-1,1", ["0"]), ("GPU-5d, 7", ["GPU-5d"])],
)
def test_gpus_hidden_from_cuda_are_not_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, visible: list[str]
) -> None:
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / bus).mkdir()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert visible_gpus(tmp_path) == visible
    numbers = range(len(visible))
    assert all_gpus(["CUDAExecutionProvider"], tmp_path) == tuple(
        Device("cuda", n) for n in numbers
    )


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


def test_a_gpu_searches_for_the_fastest_convolutions_of_fixed_shapes_alone() -> None:
    """A search takes up to a second, within the request that first has such a shape."""
    searched = {
        fixed: Device("cuda").providers(fixed_shapes=fixed)[0][1]["cudnn_conv_algo_search"]
        for fixed in (True, False)
    }
    assert searched == {True: "EXHAUSTIVE", False: "HEURISTIC"}


def test_graphs_whose_shapes_change_are_not_left_to_tensorrt() -> None:
    """It would build an engine within the request that first has more classes or shots."""
    providers = Device("tensorrt", 1).providers(fixed_shapes=False)
    assert [(name, options["device_id"]) for name, options in providers] == [
        ("CUDAExecutionProvider", "1")
    ]
    assert Device().providers(fixed_shapes=False) == [("CPUExecutionProvider", {})]


@pytest.mark.parametrize(
    ("devices", "asked", "threads"),
    [("cpu", 0, 8), ("cpu:0,cpu:1", 0, 4), ("cpu:0,cpu:1", 3, 3), ("cuda:0", 0, 8)],
)
def test_shares_of_the_cpu_have_its_threads_together(
    devices: str, asked: int, threads: int
) -> None:
    settings = Settings(devices=devices, intra_op_threads=asked)
    assert engine_options(settings, parse_devices(devices), 8).intra_op_threads == threads
