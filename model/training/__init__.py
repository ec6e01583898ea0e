"""Training: config, stages, checkpoints and the run itself."""

from model.training.checkpoints import CHECKPOINT_FILE
from model.training.config import ConfigError, Parts, TrainConfig, load_config
from model.training.place import Place, PlaceError, repeat_sums, take_place
from model.training.run import Run, has_checkpoint

__all__ = [
    "CHECKPOINT_FILE",
    "ConfigError",
    "Parts",
    "Place",
    "PlaceError",
    "Run",
    "TrainConfig",
    "has_checkpoint",
    "load_config",
    "repeat_sums",
    "take_place",
]
