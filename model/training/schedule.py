"""Which parts train, at which rate, at a step."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from model.nets import SDAANet
from model.training.config import Stage, TrainConfig


class Position(NamedTuple):
    """A position inside the stages of a run."""

    stage: int
    step: float  # within the stage


def schedule_step(
    config: TrainConfig, step: int, minutes: float, budget_minutes: float | None
) -> float:
    """The position of a run on its schedule, in steps.

    Without a time budget that is the step itself. With one, it is the larger of two shares of the
    schedule: of the steps done, and of the minutes used. So when the time is over, the rate has
    decayed fully and every stage has had its share, however slow the steps are.
    """
    if budget_minutes is None:
        return step
    return max(step, minutes / budget_minutes * total_steps(config))


def total_steps(config: TrainConfig) -> int:
    """Steps of all stages."""
    return sum(stage.steps for stage in config.stages)


def locate(config: TrainConfig, step: float) -> Position:
    """Stage and step inside it of a schedule step; past the end, the stage is out of range."""
    for index, stage in enumerate(config.stages):
        if step < stage.steps:
            return Position(index, step)
        step -= stage.steps
    return Position(len(config.stages), step)


def poly(progress: float, power: float) -> float:
    """The paper's decay, (1 - progress) ** power."""
    return float((1 - progress) ** power)


def make_optimizer(
    network: SDAANet, stage: Stage, config: TrainConfig
) -> torch.optim.AdamW | torch.optim.SGD:
    """Freeze and unfreeze parameters for a stage, and group them by their learning rate."""
    backbone = [] if stage.backbone == "none" else _backbone_parameters(network, stage)
    for parameter in network.backbone.parameters():
        parameter.requires_grad_(False)
    for parameter in backbone:
        parameter.requires_grad_(True)
    inside = {id(p) for p in network.backbone.parameters()}
    head = [p for p in network.parameters() if id(p) not in inside]
    groups = [{"params": head, "peak": stage.lr}]
    if backbone:
        groups.append({"params": backbone, "peak": stage.backbone_lr})
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=stage.lr, momentum=0.9, weight_decay=config.weight_decay)
    return torch.optim.AdamW(groups, lr=stage.lr, weight_decay=config.weight_decay)


def set_rate(optimizer: torch.optim.Optimizer, stage: Stage, step: float, power: float) -> None:
    """Poly decay from each group's peak over the stage, after a linear rise from near zero."""
    risen = min(1.0, (step + 1) / (stage.warmup + 1))
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * risen * poly(step / stage.steps, power)


Tensors = tuple[Tensor, ...] | list[Tensor]


def ema_update(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An update for `AveragedModel`: exponential, faster at first so that short stages count.

    The n-th update multiplies the average by min(decay, (1 + n) / (10 + n)).
    """

    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        number = int(count)
        kept = min(decay, (1 + number) / (10 + number))
        torch._foreach_lerp_(averaged, current, 1 - kept)

    return update


def _backbone_parameters(network: SDAANet, stage: Stage) -> list[torch.nn.Parameter]:
    if stage.backbone == "all":
        return list(network.backbone.parameters())
    return list(network.backbone.deep_parameters())
