"""Bounds and resources of the engine."""

from typing import NamedTuple

from model.runtime import AskedPrecision, Device


class EngineOptions(NamedTuple):
    """What an `OnnxEngine` may use.

    The settings say what each means, under the same names; a `gpu_memory_bytes` of 0 is None here.
    """

    devices: tuple[Device, ...]
    precision: AskedPrecision
    intra_op_threads: int
    gpu_memory_bytes: int | None
    batch_sizes: tuple[int, ...]
    max_batch_pairs: int
    max_batch_shots: int
    batch_wait_s: float
    max_queued_images: int
    encode_cache_bytes: int
    prediction_cache_bytes: int
    class_cache_bytes: int
    deadline_s: float
    stuck_s: float
