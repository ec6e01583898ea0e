"""Bounds and resources of the engine."""

from typing import NamedTuple

from model.runtime import AskedPrecision, Device


class EngineOptions(NamedTuple):
    """What an `OnnxEngine` may use; `service.settings` says what each means."""

    devices: tuple[Device, ...] = (Device(),)
    precision: AskedPrecision = "fp32"
    intra_op_threads: int = 1
    gpu_memory_bytes: int | None = None
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    max_batch_pairs: int = 32
    max_batch_shots: int = 64
    batch_wait_s: float = 0.0
    max_queued_images: int = 256
    cache_bytes: int = 0
    class_cache_bytes: int = 0
    deadline_s: float = 60.0
    stuck_s: float = 120.0
