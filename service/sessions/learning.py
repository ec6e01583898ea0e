"""What the engine learns from supports: whole and close-up, and what their objects look like."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import geometric_mean

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportSet
from model.runtime import Adapt, first_of_image, mirrored, originals
from service.sessions.judging import judge
from service.sessions.resources import ModelResources
from service.sessions.uploads import Support, View


async def learn_class(
    resources: ModelResources, supports: Sequence[Support], adapt: Adapt
) -> SupportSet:
    """The class that supports show, with close-ups of them if an object is small.

    Raises:
        ServiceError: see `service.errors`.
    """
    close_ups = [support.close_up or support.whole for support in supports]
    whole = learned = await _learn(resources, [support.whole for support in supports], adapt)
    if any(support.close_up is not None for support in supports):
        learned = await _learn(resources, close_ups, adapt)
    portraits = [support.portrait for support in supports]
    images = [support.image for support in supports]
    identities = await _identify(resources, learned, close_ups, portraits, images)
    # The bytes stored of a support are bounded, with a close-up or without.
    max_bytes = resources.engine.manifest.max_shot_bytes
    close_up = None
    if learned is not whole:
        max_bytes //= 2
        close_up = learned.thinned(max_bytes - identities[0].nbytes)
        close_up = replace(close_up, identities=identities)
    whole = whole.thinned(max_bytes - identities[0].nbytes)
    return replace(whole, close_up=close_up, identities=identities)


async def learn_judged_class(
    resources: ModelResources,
    supports: Sequence[Support],
    adapt: Adapt,
    known: SupportSet | None = None,
) -> SupportSet:
    """The class that supports show, with judgements of them.

    Args:
        resources: of the use cases.
        supports: of `mark_repeats`.
        adapt: see `model.runtime.adaptation`.
        known: the class that they are added to, if it exists.

    Raises:
        ServiceError: see `service.errors`.
    """
    learned = await learn_class(resources, supports, adapt)
    whole = [support.whole for support in supports]
    images = [support.image for support in supports]
    rows = await judge(resources.engine, resources.pool, whole, images, learned, known)
    return replace(learned, judgements=rows)


async def learn_as_registered(resources: ModelResources, supports: Sequence[Support]) -> SupportSet:
    """The class as `POST /support` registers it by default, for a caller that keeps it itself.

    Raises:
        ServiceError: see `service.errors`.
    """
    marked = await resources.pool.run(partial(mark_repeats, supports))
    return await learn_judged_class(resources, marked, "auto")


async def read_support(resources: ModelResources, image: bytes, mask: bytes) -> Support:
    """The support that the files of an image and its mask hold.

    Raises:
        ServiceError: see `service.errors`.
    """
    side = resources.engine.manifest.input_side
    return await resources.pool.run(partial(resources.reader.support, image, mask, 0, side=side))


def mark_repeats(supports: Sequence[Support]) -> list[Support]:
    """The supports of one class, each with the first one of its image, and repeats warned of.

    Hashes all their pixels, so it is to run on a codec thread.
    """
    images = [support.whole.pixels for support in supports]
    masks = [support.whole.mask for support in supports]
    marked = [
        support._replace(image=image)
        for support, image in zip(supports, first_of_image(images), strict=True)
    ]
    return [
        support if original == position else support.repeating(original, position)
        for position, (support, original) in enumerate(
            zip(marked, originals(images, masks), strict=True)
        )
    ]


async def _learn(resources: ModelResources, views: Sequence[View], adapt: Adapt) -> SupportSet:
    """What the engine learns from supports, all of them whole or all close-up."""
    learned = await resources.engine.register(
        [view.pixels for view in views], [view.mask for view in views], adapt=adapt
    )
    return replace(learned, side=round(geometric_mean(view.side for view in views)))


async def _identify(
    resources: ModelResources,
    learned: SupportSet,
    close_ups: Sequence[View],
    portraits: Sequence[View],
    images: Sequence[int],
) -> NDArray[np.float16]:
    """What the objects of K supports look like (K, D): close-up, mirrored, and in portraits.

    Objects of one image get their mean, by which it is later told that they count as one shot
    (`SupportSet.independent_shots`).

    Args:
        resources: with the engine that learned them.
        learned: from the close-ups, before anything was thinned.
        close_ups: of the supports, or the whole ones where there is none.
        portraits: of the same supports.
        images: equal for those of one image.
    """
    flipped = await resources.pool.run(partial(_mirrored, close_ups))
    seen = [
        learned,
        await resources.engine.register(*flipped),
        await resources.engine.register([v.pixels for v in portraits], [v.mask for v in portraits]),
    ]
    return await resources.pool.run(partial(_mean_tokens, seen, images))


def _mirrored(
    views: Sequence[View],
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]]]:
    """The mirror images of views, and their masks."""
    pixels = mirrored(np.stack([view.pixels for view in views]))
    masks = mirrored(np.stack([view.mask for view in views]))
    return list(pixels), list(masks)


def _mean_tokens(seen: Sequence[SupportSet], images: Sequence[int]) -> NDArray[np.float16]:
    """The mean token (K, D) of each of K supports over several views of all those of its image."""
    means = np.mean([[shot.mean_token for shot in view.shots] for view in seen], axis=0)
    own = np.array(images)
    return np.stack([means[own == image].mean(axis=0) for image in images]).astype(np.float16)
