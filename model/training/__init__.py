"""Training: config, stages, checkpoints and the run itself."""

from model.training.checkpoints import CHECKPOINT_FILE
from model.training.config import ConfigError, Parts, TrainConfig, load_config
from model.training.distributed import (
    DeviceError,
    DistributedContext,
    join_processes,
    use_deterministic_mkl_sums,
)
from model.training.divergence import DivergedError
from model.training.run import Run, has_checkpoint

__all__ = [
    "CHECKPOINT_FILE",
    "ConfigError",
    "DeviceError",
    "DistributedContext",
    "DivergedError",
    "Parts",
    "Run",
    "TrainConfig",
    "has_checkpoint",
    "join_processes",
    "load_config",
    "use_deterministic_mkl_sums",
]
