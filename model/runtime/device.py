"""Where graphs run, and with which options of onnxruntime."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

DeviceKind = Literal["cpu", "cuda", "tensorrt"]
Providers = list[tuple[str, dict[str, str]]]

_PROVIDERS: Mapping[DeviceKind, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


class Device(NamedTuple):
    """A processor by kind and number; several numbers of the CPU are shares of its threads."""

    kind: DeviceKind = "cpu"
    number: int = 0

    def __str__(self) -> str:
        whole = self.kind == "cpu" and self.number == 0
        return self.kind if whole else f"{self.kind}:{self.number}"

    @property
    def provider(self) -> str:
        """The execution provider that must be in use for the device to be in use."""
        return _PROVIDERS[self.kind]

    @property
    def memory(self) -> Literal["cpu", "cuda"]:
        """The kind of memory that tensors stay in between graphs."""
        return "cpu" if self.kind == "cpu" else "cuda"

    @property
    def memory_number(self) -> int:
        """The number of that memory; all shares of the CPU have the same one."""
        return 0 if self.kind == "cpu" else self.number

    def providers(
        self, *, memory_limit_bytes: int | None = None, fixed_shapes: bool = True
    ) -> Providers:
        """Execution providers for a session, best first.

        Args:
            memory_limit_bytes: limit for the arena of one session on a GPU; None: no limit.
            fixed_shapes: whether the graph sees few shapes, known at the start. Such a graph may
                search for the fastest convolutions, up to a second for each shape. TensorRT builds
                an engine at every shape beyond those before, for minutes, so it does not run other
                graphs.
        """
        if self.kind == "cpu":
            return [(self.provider, {})]
        cuda = {
            "device_id": str(self.number),
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
        }
        if fixed_shapes:
            # The encoder of `r50` takes 0.61 of the time with these three, on an H200.
            cuda |= {
                "cudnn_conv_algo_search": "EXHAUSTIVE",
                "prefer_nhwc": "1",
                "fuse_conv_bias": "1",
            }
        if memory_limit_bytes is not None:
            cuda["gpu_mem_limit"] = str(memory_limit_bytes)
        if self.kind == "cuda" or not fixed_shapes:
            return [(_PROVIDERS["cuda"], cuda)]
        # What TensorRT cannot run is left to CUDA.
        return [(self.provider, {"device_id": str(self.number)}), (_PROVIDERS["cuda"], cuda)]
