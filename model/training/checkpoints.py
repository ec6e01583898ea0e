"""Training checkpoints: everything that an exact resume needs."""

from pathlib import Path
from typing import Any

from torch import Tensor

from model.build import (
    CheckpointError,
    NetworkConfig,
    network_state,
    read_checkpoint,
    write_checkpoint,
)
from model.nets import SDAANet

CHECKPOINT_FILE = "checkpoint.pt"


def save_checkpoint(
    folder: Path,
    *,
    network: SDAANet,
    ema_network: SDAANet,
    config: NetworkConfig,
    optimizer: dict[str, Any] | None,
    generators: Tensor,
    progress: dict[str, Any],
) -> None:
    """Write a run's checkpoint, atomically.

    The entry `network` is the exponential moving average, which evaluation and export use.
    `generators` are the states of all processes, see `DistributedContext.generator_states`.
    """
    state = {
        **network_state(ema_network, config),
        "live": network.state_dict(),
        "optimizer": optimizer,
        "rng": generators,
        "progress": progress,
    }
    write_checkpoint(folder / CHECKPOINT_FILE, state)


def read_run(folder: Path) -> dict[str, Any]:
    """The checkpoint of a run.

    Raises:
        model.build.CheckpointError: none there, damaged, or of a network without a run.
    """
    path = folder / CHECKPOINT_FILE
    checkpoint = read_checkpoint(path)
    missing = {"live", "optimizer", "rng", "progress"} - set(checkpoint)
    if missing:
        raise CheckpointError(f"{path} holds a network, but no run to resume")
    return checkpoint


def restore_networks(checkpoint: dict[str, Any], *, network: SDAANet, ema_network: SDAANet) -> None:
    """Load both networks in place.

    Raises:
        model.build.CheckpointError: they do not fit, as those of another release.
    """
    try:
        network.load_state_dict(checkpoint["live"])
        ema_network.load_state_dict(checkpoint["network"])
    except RuntimeError as exc:
        raise CheckpointError("the run was begun by another release: start it over") from exc
