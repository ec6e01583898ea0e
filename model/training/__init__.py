"""Training: config, stages, checkpoints and the run itself."""

from model.training.config import ConfigError, TrainConfig, load_config
from model.training.run import Run, has_checkpoint

__all__ = ["ConfigError", "Run", "TrainConfig", "has_checkpoint", "load_config"]
