"""Where a run computes: its device, and its part among the processes of `torchrun`."""

import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

# Others wait as long as the first process may need to fill a feature cache.
_PATIENCE = timedelta(hours=12)


def repeat_sums(environment: MutableMapping[str, str] = os.environ) -> None:
    """Make MKL add in one order wherever numbers lie in memory, as an exact resume on a CPU needs.

    MKL reads this only before its first product. A value that is set already stays.
    """
    environment.setdefault("MKL_CBWR", "AUTO,STRICT")


class PlaceError(ValueError):
    """A device is not there, or does not go with `torchrun`; the message says what to give."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A device and one of the processes that train together; alone, nothing is exchanged.

    Attributes:
        device: for network and batches.
        rank: which process.
        processes: how many there are.
        neighbours: how many of them share this machine's memory.
    """

    device: torch.device
    rank: int = 0
    processes: int = 1
    neighbours: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes logs and checkpoints."""
        return self.rank == 0

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    def settle(self, network: nn.Module, *, repeatable: bool) -> None:
        """Move a network to the device, in the layout that its convolutions run fastest in.

        On a CPU, sums in that layout are added in another order each time, so a repeatable run does
        without it.
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
    def first_alone(self) -> Iterator[None]:
        """Let the first process go ahead, so that the others find what it has written."""
        if self.processes > 1 and not self.is_first:
            dist.barrier()
        yield
        if self.processes > 1 and self.is_first:
            dist.barrier()

    def largest(self, *values: float) -> tuple[float, ...]:
        """The largest of each value over all processes."""
        if self.processes == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(shared, dist.ReduceOp.MAX)
        return tuple(shared.tolist())

    def mean(self, values: Tensor) -> Tensor:
        """The mean of each element over all processes."""
        if self.processes == 1:
            return values
        shared = values.detach().clone()
        dist.all_reduce(shared)
        return shared / self.processes

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes, in one exchange."""
        if self.processes == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def generator_states(self) -> Tensor:
        """The states of the generators behind dropout, (processes, bytes) uint8."""
        state = torch.cuda.get_rng_state(self.device) if self.on_cuda else torch.get_rng_state()
        if self.processes == 1:
            return state[None]
        states = [torch.empty_like(state) for _ in range(self.processes)]
        dist.all_gather(states, state)
        return torch.stack(states)

    def restore_generator(self, states: Tensor) -> None:
        """Continue with this process's state, if as many processes of the same device wrote it."""
        own = torch.cuda.get_rng_state(self.device) if self.on_cuda else torch.get_rng_state()
        if states.shape != (self.processes, len(own)):
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
        PlaceError: no such device.
    """
    kind, _, number = name.partition(":")
    if name != "auto" and (kind not in ("cpu", "cuda") or (number and not number.isdigit())):
        raise PlaceError(f"--device {name}: give auto, cpu, cuda or cuda:N")
    if kind == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if number and local_rank is not None:
        raise PlaceError(f"--device {name}: torchrun gives each process its GPU; give cuda")
    index = int(number) if number else local_rank or 0
    if index >= torch.cuda.device_count():
        raise PlaceError(f"--device {name}: this machine has {torch.cuda.device_count()} GPUs")
    return torch.device("cuda", index)


@contextmanager
def take_place(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[Place]:
    """The place of this process, which joins the others when `torchrun` started it.

    Raises:
        PlaceError: no such device.
    """
    if "WORLD_SIZE" not in environment:
        yield _warmed(Place(device=choose_device(device)))
        return
    chosen = choose_device(device, int(environment["LOCAL_RANK"]))
    # Small values that steer the run stay on the CPU, where asking for them stalls no GPU.
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo",
        timeout=_PATIENCE,
        rank=int(environment["RANK"]),
        world_size=int(environment["WORLD_SIZE"]),
    )
    try:
        yield _warmed(
            Place(
                device=chosen,
                rank=dist.get_rank(),
                processes=dist.get_world_size(),
                neighbours=int(environment.get("LOCAL_WORLD_SIZE", 1)),
            )
        )
    finally:
        dist.destroy_process_group()


def _warmed(place: Place) -> Place:
    """Let cuDNN pick its fastest algorithms: all batches of a stage have one shape."""
    if place.on_cuda:
        torch.cuda.set_device(place.device)
        torch.backends.cudnn.benchmark = True
    return place
