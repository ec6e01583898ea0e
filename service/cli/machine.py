"""What the machine offers: processor, memory, GPU driver, CUDA libraries, builds of onnxruntime."""

import ctypes
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp")
_BUILDS = ("onnxruntime", "onnxruntime-gpu")
_CUDA_LIBRARIES = (
    ("libcudart.so.12", "libcudart.so.13"),
    ("libcublasLt.so.12", "libcublasLt.so.13"),
    ("libcudnn.so.9",),
)


class Gpus(NamedTuple):
    """GPUs as the kernel driver shows them; `driver` is None where there is no driver."""

    number: int
    driver: str | None


def processor_features(proc: Path = PROC) -> list[str]:
    """Instructions that inference gains by, of those the processor has."""
    try:
        words = set((proc / "cpuinfo").read_text().split())
    except OSError:
        return []
    return [name for name in _FEATURES if name in words]


def memory_bytes(proc: Path = PROC, cgroup: Path = CGROUP) -> int | None:
    """Bytes that this process may use on the machine or in its container; None if not known."""
    limits = []
    try:
        line = next(x for x in (proc / "meminfo").read_text().splitlines() if "MemTotal" in x)
        limits.append(int(line.split()[1]) * 1024)
    except (OSError, StopIteration, ValueError):
        pass
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limits.append(int((cgroup / name).read_text()))
        except (OSError, ValueError):
            continue
    return min(limits, default=None)


def gpus(proc: Path = PROC) -> Gpus:
    """What the NVIDIA driver shows."""
    driver = proc / "driver" / "nvidia"
    try:
        line = (driver / "version").read_text().splitlines()[0]
        version = next(word for word in line.split() if word[:1].isdigit() and "." in word)
        return Gpus(len(list((driver / "gpus").iterdir())), version)
    except (OSError, IndexError, StopIteration):
        return Gpus(0, None)


def missing_cuda_libraries() -> list[str]:
    """Libraries of CUDA that the loader does not find in any version that would do."""
    return [
        names[0].partition(".so")[0] for names in _CUDA_LIBRARIES if not any(map(_loads, names))
    ]


def onnxruntime_builds() -> list[str]:
    """Installed distributions of onnxruntime, with versions."""
    found = []
    for name in _BUILDS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
