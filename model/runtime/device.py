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
    """A processor and its number among those of its kind."""

    kind: DeviceKind = "cpu"
    number: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.number}"

    @property
    def provider(self) -> str:
        """The execution provider that has to be in use, or the device is not."""
        return _PROVIDERS[self.kind]

    @property
    def memory(self) -> Literal["cpu", "cuda"]:
        """The kind of memory that tensors stay in between graphs."""
        return "cpu" if self.kind == "cpu" else "cuda"

    def providers(self, *, memory_limit_bytes: int | None = None) -> Providers:
        """Execution providers for a session, best first.

        Args:
            memory_limit_bytes: of the arena of one session on a GPU; none: all there is.
        """
        if self.kind == "cpu":
            return [(self.provider, {})]
        cuda = {
            "device_id": str(self.number),
            # An exhaustive search costs up to a second at every new shape.
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
        }
        if memory_limit_bytes is not None:
            cuda["gpu_mem_limit"] = str(memory_limit_bytes)
        if self.kind == "cuda":
            return [(self.provider, cuda)]
        # What TensorRT cannot run is left to CUDA.
        return [(self.provider, {"device_id": str(self.number)}), (_PROVIDERS["cuda"], cuda)]
