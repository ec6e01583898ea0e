"""The first inferences of a bundle on a device, before anybody waits for one."""

from collections.abc import Sequence

import numpy as np

from model.contract import SupportSet
from service.engine.stages import CellsJob, EncodeJob, HeadJob, PrototypeJob, Stages
from service.engine.turns import Turns


def warm_up(stages: Stages, side: int, batch_sizes: Sequence[int], turns: Turns) -> None:
    """Real inferences through all graphs on a grey image with an object in its middle.

    Each takes a turn, so that what is served meanwhile from other bundles goes on.
    """
    image = np.full((side, side, 3), 127, np.uint8)
    mask = np.zeros((side, side), np.float32)
    mask[side // 4 : -(side // 4), side // 4 : -(side // 4)] = 1.0
    with turns.turn():
        (support,) = stages.encode([EncodeJob(image, mask)])
        shots = SupportSet(tuple(stages.prototypes([PrototypeJob(support, mask)])))
    for size in batch_sizes:
        with turns.turn():
            queries = stages.encode([EncodeJob(image)] * size)
        with turns.turn():
            stages.head([HeadJob(query, (shots,)) for query in queries])
    with turns.turn():
        stages.cells([CellsJob(queries[0], shots)])
