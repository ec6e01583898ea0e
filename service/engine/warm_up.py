"""The first inferences of a bundle on a device, before anybody waits for one."""

from collections.abc import Sequence

import numpy as np

from model.contract import SupportSet
from service.engine.fair_lock import FairLock
from service.engine.stages import CellsTask, EncodeTask, HeadTask, PrototypeTask, Stages


def warm_up(
    stages: Stages,
    side: int,
    batch_sizes: Sequence[int],
    device_lock: FairLock,
    *,
    stuck_s: float,
) -> None:
    """Real inferences through all graphs on a grey image with an object in its middle.

    The lock is released between inferences, so that other bundles go on being served.

    Args:
        stages: to run.
        side: of an image, in pixels.
        batch_sizes: of the encoder; each is run once.
        device_lock: of the device.
        stuck_s: the longest wait for the lock; others that hold it longer hang.

    Raises:
        TimeoutError: they do.
    """
    image = np.full((side, side, 3), 127, np.uint8)
    mask = np.zeros((side, side), np.float32)
    mask[side // 4 : -(side // 4), side // 4 : -(side // 4)] = 1.0
    with device_lock.hold(stuck_s):
        (support,) = stages.encode([EncodeTask(image, mask)])
        shots = SupportSet(tuple(stages.prototypes([PrototypeTask(support, mask)])))
    for size in batch_sizes:
        with device_lock.hold(stuck_s):
            queries = stages.encode([EncodeTask(image)] * size)
        with device_lock.hold(stuck_s):
            stages.head([HeadTask(query, (shots,)) for query in queries])
    with device_lock.hold(stuck_s):
        stages.cells([CellsTask(queries[0], shots)])
