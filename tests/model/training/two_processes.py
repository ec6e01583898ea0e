"""A tiny run from pixels without dropout, in this process or as one of `torchrun`'s."""

import sys
from pathlib import Path

from torch import nn

from model.training import DistributedContext, Run, TrainConfig, has_checkpoint, join_processes
from tests.model.tiny_training import SIDE

CONFIG = TrainConfig.model_validate(
    {
        "preset": "lite",
        "input_side": SIDE,
        "unseen": None,
        "optimizer": "sgd",
        "sets": [{"name": "tiny", "weight": 1.0}],
        "cache": None,
        "episodes": {"absent": 0.3},
        "stages": [
            {"steps": 3, "backbone": "none", "lr": 1e-2, "batch": 2},
            {"steps": 2, "backbone": "deep", "lr": 1e-2, "backbone_lr": 1e-3, "batch": 2},
        ],
    }
)


def train(root: Path, out: str, context: DistributedContext, *, until: int) -> int:
    """Train to a step, from the checkpoint if there is one; returns the step that was reached.

    Of several processes the last one alone asks to stop.
    """
    run = Run(
        CONFIG,
        out=root / out,
        data_root=root / "data",
        weights_dir=root / "weights",
        cache_dir=root / "cache",
        context=context,
    )
    if has_checkpoint(run.out):
        run.resume()
    for module in run.network.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0  # its draws differ between processes
    last = context.rank == context.world_size - 1
    run.train(lambda: last and run.step >= until)
    return run.step


if __name__ == "__main__":
    with join_processes("cpu") as joined:
        steps = [train(Path(sys.argv[1]), "together", joined, until=until) for until in (2, 4)]
    print(f"process {joined.rank} of {joined.world_size}: {steps}")
