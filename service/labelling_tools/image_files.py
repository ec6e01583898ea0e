"""The image files of shots, fetched once for all labels of an annotation."""

from service.byte_lru import ByteLRU
from service.errors import ServiceError
from service.labelling_tools.annotated_shots import Shot, Version
from service.labelling_tools.label_config import LabelConfig
from service.labelling_tools.studio import LabelStudio

# By annotation, not by address: what is drawn again may be drawn on another image.
FileCache = ByteLRU[Version, bytes]


class ImageFiles:
    """The image files that one update of a session needs.

    Args:
        studio: from where they come.
        config: names the image in a task's data.
        kept: those of earlier updates.
    """

    def __init__(self, studio: LabelStudio, config: LabelConfig, kept: FileCache) -> None:
        self._studio = studio
        self._config = config
        self._kept = kept
        self._refused: dict[Version, ServiceError] = {}

    async def get(self, shot: Shot) -> bytes:
        """The file of a shot's image.

        Raises:
            InvalidRequestError: it may not be fetched.
            UndeliveredImageError: it is not delivered.
            StudioError: it cannot be had now.
            ServiceError: as it was refused.
        """
        version = shot.key.version
        if version in self._refused:
            raise self._refused[version]
        file = self._kept.find(version)
        if file is None:
            file = await self._studio.image(shot.task.data.get(self._config.image_key))
            self._kept.keep(version, file, len(file))
        return file

    def refuse(self, shot: Shot, error: ServiceError) -> None:
        """Fail for all labels of the annotation; the next update fetches the image again."""
        self._refused[shot.key.version] = error
        self._kept.drop(shot.key.version)
