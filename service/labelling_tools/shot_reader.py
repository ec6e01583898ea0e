"""Reads the shots of a class, and remembers which there is something to learn from."""

import logging
from collections.abc import Sequence
from functools import partial

from service.byte_lru import ByteLRU
from service.errors import (
    DeadlineExceededError,
    InferenceError,
    RetryableError,
    ServiceError,
    StudioError,
)
from service.labelling_tools.annotated_shots import Shot, ShotKey, draw_mask
from service.labelling_tools.downloads import UndeliveredError, UndeliveredImageError
from service.labelling_tools.image_files import ImageFiles
from service.labelling_tools.label_config import LabelConfig
from service.sessions import ModelResources, Support, read_support

_log = logging.getLogger(__name__)

# Whether there is something to learn from a shot, once that is certain.
Usefulness = ByteLRU[ShotKey, bool]


class ShotReader:
    """Reads shots of one class, each once; those that cannot be read are left out.

    Attributes:
        error: why Label Studio does not deliver an image of the class; None if it delivers all.
    """

    def __init__(
        self,
        resources: ModelResources,
        config: LabelConfig,
        images: ImageFiles,
        usefulness: Usefulness,
    ) -> None:
        self.error: UndeliveredImageError | None = None
        self._resources = resources
        self._config = config
        self._images = images
        self._usefulness = usefulness
        self._read: dict[ShotKey, Support | None] = {}

    async def useful(self, shots: Sequence[Shot], most: int) -> tuple[ShotKey, ...]:
        """The first `most` shots there is something to learn from; only unknown ones are read.

        Raises:
            ServiceError: a retry may help.
        """
        found: list[ShotKey] = []
        for shot in shots:
            if len(found) < most and await self._is_useful(shot):
                found.append(shot.key)
        return tuple(found)

    async def supports(self, shots: Sequence[Shot], most: int) -> dict[ShotKey, Support]:
        """The first `most` shots that can be read, in order.

        Raises:
            ServiceError: a retry may help.
        """
        found: dict[ShotKey, Support] = {}
        for shot in shots:
            if len(found) < most and (support := await self._support(shot)) is not None:
                found[shot.key] = support
        return found

    async def _is_useful(self, shot: Shot) -> bool:
        known = self._usefulness.find(shot.key)
        return await self._support(shot) is not None if known is None else known

    async def _support(self, shot: Shot) -> Support | None:
        if shot.key not in self._read:
            self._read[shot.key] = await self._support_or_none(shot)
        return self._read[shot.key]

    async def _support_or_none(self, shot: Shot) -> Support | None:
        try:
            draw = partial(draw_mask, self._resources.reader, shot, self._config)
            mask = await self._resources.pool.run(draw)
            support = None if mask is None else await self._with_image(shot, mask)
        except ServiceError as exc:
            # One bad annotation, or missing image, must not keep others from being learned.
            if is_transient(exc):
                raise
            if isinstance(exc, UndeliveredImageError):
                self.error = exc
            self._usefulness.drop(shot.key)
            _log.warning("annotation not learned", extra={"code": exc.code})
            return None
        self._usefulness.keep(shot.key, support is not None, 0)
        return support

    async def _with_image(self, shot: Shot, mask: bytes) -> Support:
        try:
            return await read_support(self._resources, await self._images.get(shot), mask)
        except ServiceError as exc:
            self._images.refuse(shot, exc)
            raise


def is_transient(error: ServiceError) -> bool:
    """Whether a retry may help."""
    if isinstance(error, UndeliveredError):
        return False
    # The first batches on a lost device fail as if the images in them were at fault.
    transient = RetryableError | StudioError | InferenceError | DeadlineExceededError
    return isinstance(error, transient)
