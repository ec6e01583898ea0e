"""Runs whose losses or weights are no finite numbers any more."""

import math
from collections.abc import Iterable

import torch
from torch import nn


class DivergedError(ArithmeticError):
    """A run diverged; the message names the step."""


def require_finite_losses(means: Iterable[float], *, first: int, last: int) -> None:
    """Check the mean losses of steps `first` to `last`.

    Raises:
        DivergedError: one is not finite.
    """
    if not all(map(math.isfinite, means)):
        raise DivergedError(_told(f"a loss of steps {first} to {last}"))


def require_finite_weights(parameters: Iterable[nn.Parameter], *, step: int) -> None:
    """Check weights behind a step; the loss of the next one alone would show a bad update.

    Waits for the device, so it belongs where the weights are copied from it anyway.

    Raises:
        DivergedError: one is not finite.
    """
    if not torch.stack([each.isfinite().all() for each in parameters]).all():
        raise DivergedError(_told(f"a weight behind step {step}"))


def _told(what: str) -> str:
    return (
        f"training diverged: {what} is not finite. The last good checkpoint, if there is one, is "
        "kept; take a smaller lr"
    )
