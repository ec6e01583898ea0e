"""Unit costs of a device and its host, from segment requests that were timed."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from service.planning.profile import EngineCosts, HostCosts
from service.telemetry import StageName

BATCHES = (1, 8)
MAX_BATCH = max(BATCHES)


class Sample(NamedTuple):
    """A segment request that was timed; stages: milliseconds by their names."""

    images: int
    classes: int
    shots: int
    wall_ms: float
    answer_bytes: int
    stages: dict[StageName, float]


def engine_costs(samples: Sequence[Sample], device: Literal["cpu", "gpu"]) -> EngineCosts:
    """What explains the stages of all requests best."""
    encode = _fit([(1, s.images) for s in samples], [s.stages["encode"] for s in samples])
    pairs = [s.images * s.classes for s in samples]
    rows = [(1, pair, pair * s.shots) for pair, s in zip(pairs, samples, strict=True)]
    head = _fit(rows, [s.stages["head"] for s in samples])
    return EngineCosts(
        device=device,
        max_batch=MAX_BATCH,
        batch_ms=encode[0] + head[0],
        image_ms=encode[1],
        class_ms=head[1],
        shot_ms=head[2],
    )


def host_costs(samples: Sequence[Sample], cores: int) -> HostCosts:
    """What is left of the wall's time is HTTP; single images, since threads share several."""
    single = [s for s in samples if s.images == 1]
    rest = [s.wall_ms - sum(s.stages.values()) for s in single]
    return HostCosts(
        cores=cores,
        request_ms=max(0.0, float(np.median(rest))),
        decode_ms=float(np.median([s.stages["decode"] for s in single])),
        mask_ms=float(np.median([s.stages["mask"] / s.classes for s in single])),
    )


def _fit(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """Least squares without negative coefficients: what would be one is left out."""
    matrix, wanted = np.array(rows, np.float64), np.array(values)
    kept = list(range(matrix.shape[1]))
    while True:
        found = np.linalg.lstsq(matrix[:, kept], wanted, rcond=None)[0]
        if (found >= 0).all():
            break
        kept.pop(int(found.argmin()))
    return [float(found[kept.index(i)]) if i in kept else 0.0 for i in range(matrix.shape[1])]
