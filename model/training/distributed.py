"""The device of a run, and its part among the processes that `torchrun` starts."""

import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

# Others wait as long as rank 0 may need to fill a feature cache.
_TIMEOUT = timedelta(hours=12)


def use_deterministic_mkl_sums(environment: MutableMapping[str, str] = os.environ) -> None:
    """Make MKL sum in one order, whatever the alignment of memory, as exact resume on a CPU needs.

    MKL reads this only before its first product. A value that is set already stays.
    """
    environment.setdefault("MKL_CBWR", "AUTO,STRICT")


class DeviceError(ValueError):
    """A device is missing, or does not go with `torchrun`; the message says what to pass."""


@dataclass(frozen=True, kw_only=True)
class DistributedContext:
    """A device, and the rank of this process; a world of one exchanges nothing.

    Attributes:
        device: of network and batches.
        rank: of this process.
        world_size: how many processes there are.
        local_world_size: how many of them share this machine's memory.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1
    local_world_size: int = 1

    @property
    def is_rank_zero(self) -> bool:
        """Whether this process writes logs and checkpoints."""
        return self.rank == 0

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    def move_network(self, network: nn.Module, *, repeatable: bool) -> None:
        """Move a network to the device, channels-last, in which convolutions run fastest.

        On a CPU, channels-last sums are added in another order each time, so a repeatable run keeps
        the default layout.
        """
        if self.on_cuda or not repeatable:
            network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        else:
            network.to(self.device)

    def enter_thread(self) -> None:
        """Make a thread's pinned memory belong to this process's GPU."""
        if self.on_cuda:
            torch.cuda.set_device(self.device)

    @contextmanager
    def rank_zero_first(self) -> Iterator[None]:
        """Let rank 0 go first, so that the others find what it has written."""
        if self.world_size > 1 and not self.is_rank_zero:
            dist.barrier()
        yield
        if self.world_size > 1 and self.is_rank_zero:
            dist.barrier()

    def largest(self, *values: float) -> tuple[float, ...]:
        """The largest of each value over all processes."""
        if self.world_size == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(shared, dist.ReduceOp.MAX)
        return tuple(shared.tolist())

    def mean(self, values: Tensor) -> Tensor:
        """The mean of each element over all processes."""
        if self.world_size == 1:
            return values
        shared = values.detach().clone()
        dist.all_reduce(shared)
        return shared / self.world_size

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes, in one exchange."""
        if self.world_size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def generator_states(self) -> Tensor:
        """The states of the generators behind dropout, (world_size, bytes) uint8."""
        state = torch.cuda.get_rng_state(self.device) if self.on_cuda else torch.get_rng_state()
        if self.world_size == 1:
            return state[None]
        states = [torch.empty_like(state) for _ in range(self.world_size)]
        dist.all_gather(states, state)
        return torch.stack(states)

    def restore_generator(self, states: Tensor) -> None:
        """Continue with this process's state, if as many processes of the same device wrote it."""
        own = torch.cuda.get_rng_state(self.device) if self.on_cuda else torch.get_rng_state()
        if states.shape != (self.world_size, len(own)):
            return
        state = states[self.rank].clone()  # torch reads from the storage's start, whatever the row
        if self.on_cuda:
            torch.cuda.set_rng_state(state, self.device)
        else:
            torch.set_rng_state(state)


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """The device that `--device` names: `auto`, `cpu`, `cuda` or `cuda:N`.

    Args:
        name: `auto` takes CUDA where there is some.
        local_rank: of a `torchrun` process, which takes the GPU of this number.

    Raises:
        DeviceError: no such device.
    """
    kind, _, number = name.partition(":")
    if name != "auto" and (kind not in ("cpu", "cuda") or (number and not number.isdigit())):
        raise DeviceError(f"--device {name}: give auto, cpu, cuda or cuda:N")
    if kind == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if number and local_rank is not None:
        raise DeviceError(f"--device {name}: torchrun gives each process its GPU; give cuda")
    index = int(number) if number else local_rank or 0
    if index >= torch.cuda.device_count():
        raise DeviceError(f"--device {name}: this machine has {torch.cuda.device_count()} GPUs")
    return torch.device("cuda", index)


@contextmanager
def join_processes(
    device: str, environment: Mapping[str, str] = os.environ
) -> Iterator[DistributedContext]:
    """This process's context; joins the other processes where `torchrun` started it.

    Raises:
        DeviceError: no such device.
    """
    if "WORLD_SIZE" not in environment:
        yield _with_cudnn_benchmark(DistributedContext(device=choose_device(device)))
        return
    chosen = choose_device(device, int(environment["LOCAL_RANK"]))
    # Small values that steer the run stay on the CPU, where asking for them stalls no GPU.
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo",
        timeout=_TIMEOUT,
        rank=int(environment["RANK"]),
        world_size=int(environment["WORLD_SIZE"]),
    )
    try:
        yield _with_cudnn_benchmark(
            DistributedContext(
                device=chosen,
                rank=dist.get_rank(),
                world_size=dist.get_world_size(),
                local_world_size=int(environment.get("LOCAL_WORLD_SIZE", 1)),
            )
        )
    finally:
        dist.destroy_process_group()


def _with_cudnn_benchmark(context: DistributedContext) -> DistributedContext:
    """Let cuDNN pick its fastest algorithms: all batches of a stage have one shape."""
    if context.on_cuda:
        torch.cuda.set_device(context.device)
        torch.backends.cudnn.benchmark = True
    return context
