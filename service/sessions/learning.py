"""Use case: learn one shot of a class, for a caller that keeps it itself."""

from functools import partial

from model.contract import SupportPrototype
from service.sessions.resources import ModelResources


async def learn_shot(resources: ModelResources, image: bytes, mask: bytes) -> SupportPrototype:
    """The prototype of an image file and the file of its mask.

    Raises:
        ServiceError: see `service.errors`.
    """
    side = resources.engine.manifest.input_side
    read = partial(resources.reader.support, image, mask, 0, side=side)
    shown = (await resources.pool.run(read)).whole
    learned = await resources.engine.register([shown.pixels], [shown.mask], adapt=False)
    return learned.shots[0]
