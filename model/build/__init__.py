"""Every number of a network, and where its weights come from."""

from model.build.checkpoint import (
    Checkpoint,
    CheckpointError,
    PresenceRecord,
    load_network,
    network_state,
    read_checkpoint,
    write_checkpoint,
)
from model.build.presets import PRESETS, NetworkConfig, build_network
from model.build.pretrained import PretrainedWeightsError, load_pretrained
from model.build.random_weights import random_network
from model.build.start import load_start, restore_network

__all__ = [
    "PRESETS",
    "Checkpoint",
    "CheckpointError",
    "NetworkConfig",
    "PresenceRecord",
    "PretrainedWeightsError",
    "build_network",
    "load_network",
    "load_pretrained",
    "load_start",
    "network_state",
    "random_network",
    "read_checkpoint",
    "restore_network",
    "write_checkpoint",
]
