"""Learns the classes of a Label Studio project from the annotations in it."""

import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from model.contract import SupportSet
from service.byte_lru import ByteLRU
from service.labelling_tools.annotated_shots import Shot, ShotKey, annotated_shots
from service.labelling_tools.image_files import FileCache, ImageFiles
from service.labelling_tools.label_config import parse_label_config
from service.labelling_tools.shot_reader import ShotReader, Usefulness
from service.labelling_tools.studio import LabelStudio
from service.sessions import ModelResources, learn_as_registered
from service.stores import SessionContent

_MAX_CLASS_BYTES = 128 << 20
_MAX_FILE_BYTES = 112 << 20
_MAX_USEFULNESS_BYTES = 16 << 20
_ENTRY_BYTES = 1024  # about what a key of a few names takes with its place in a cache


class _ClassKey(NamedTuple):
    """What a class is learned from, and by which model."""

    model: str
    shots: tuple[ShotKey, ...]


class ClassLearner:
    """Learns classes from all their shots together, and only those whose shots changed.

    Files of images are kept too, as the other shots of a class are needed again when one changes.

    Args:
        studio: where the projects are.
        max_shots: of a class; those of its newest annotations are used.
    """

    def __init__(self, studio: LabelStudio, *, max_shots: int) -> None:
        self._studio = studio
        self._max_shots = max_shots
        self._classes: ByteLRU[_ClassKey, SupportSet] = ByteLRU(
            _MAX_CLASS_BYTES, entry_bytes=_ENTRY_BYTES
        )
        self._files: FileCache = ByteLRU(_MAX_FILE_BYTES, entry_bytes=_ENTRY_BYTES)
        self._usefulness: Usefulness = ByteLRU(_MAX_USEFULNESS_BYTES, entry_bytes=_ENTRY_BYTES)

    async def session_content(self, resources: ModelResources, project: int) -> SessionContent:
        """The classes that are annotated in a project, as the content of a session.

        Raises:
            ServiceError: the project cannot be read.
            UndeliveredImageError: a class has no shot, as none of its images is delivered.
        """
        text = await self._studio.label_config(project)
        config = await resources.pool.run(partial(parse_label_config, text))
        tasks = await self._studio.annotated_tasks(project)
        images = ImageFiles(self._studio, config, self._files)
        classes: dict[str, SupportSet] = {}
        for label, shots in (await annotated_shots(resources.pool, tasks, config)).items():
            reader = ShotReader(resources, config, images, self._usefulness)
            learned = await self._class(resources, reader, shots)
            if learned is not None:
                classes[label] = learned
            elif reader.error is not None:
                raise reader.error  # so that the session keeps what it holds of the class
        return SessionContent(resources.model, time.time(), classes)

    async def _class(
        self, resources: ModelResources, reader: ShotReader, shots: Sequence[Shot]
    ) -> SupportSet | None:
        """The class of the newest of these shots; None if there is nothing to learn."""
        key = _ClassKey(resources.model, await reader.useful(shots, self._max_shots))
        learned = self._classes.find(key)
        if learned is None:
            # An image that was there before may be gone by now.
            supports = await reader.supports(shots, self._max_shots)
            key = _ClassKey(resources.model, tuple(supports))
            learned = self._classes.find(key)
            if learned is None and supports:
                learned = await learn_as_registered(resources, list(supports.values()))
                self._classes.keep(key, learned, learned.nbytes)
        return learned
