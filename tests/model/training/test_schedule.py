"""Where on the schedule a run stands, and at which rate."""

import pytest
import torch

from model.training import TrainConfig
from model.training.config import Stage
from model.training.schedule import locate, schedule_step, set_rate

CONFIG = TrainConfig.model_validate(
    {
        "preset": "lite",
        "input_side": 65,
        "unseen": None,
        "sets": [{"name": "any", "weight": 1.0}],
        "stages": [
            {"steps": 60, "backbone": "none", "lr": 1.0, "batch": 1},
            {"steps": 40, "backbone": "deep", "lr": 1.0, "backbone_lr": 0.1, "batch": 1},
        ],
    }
)


@pytest.mark.parametrize(
    ("step", "minutes", "budget", "expected"),
    [
        (30, 99.0, None, (0, 30)),  # no budget: time does not count
        (10, 5.0, 10.0, (0, 50)),  # the time is further than the steps
        (80, 5.0, 10.0, (1, 20)),  # the steps are further than the time
        (10, 7.0, 10.0, (1, 10)),  # time alone brings the next stage
        (10, 10.0, 10.0, (2, 0)),  # and the end
    ],
)
def test_the_larger_share_of_steps_and_minutes_counts(
    step: int, minutes: float, budget: float | None, expected: tuple[int, float]
) -> None:
    at = locate(CONFIG, schedule_step(CONFIG, step, minutes, budget))
    assert at == pytest.approx(expected)


@pytest.mark.parametrize(
    ("warmup", "step", "expected"),
    [(0, 0, 1.0), (4, 0, 0.2), (4, 2, 0.48), (4, 4, 0.6), (4, 5, 0.5)],
)
def test_the_rate_rises_linearly_and_then_decays(warmup: int, step: float, expected: float) -> None:
    stage = Stage(steps=10, backbone="none", lr=1.0, batch=1, warmup=warmup)
    optimizer = torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.zeros(1))], "peak": 1.0}], lr=1.0
    )
    set_rate(optimizer, stage, step, power=1.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)
