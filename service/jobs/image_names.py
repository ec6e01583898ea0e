"""Which files of a zip or a folder are images to segment, by their names."""

from pathlib import PurePosixPath

from service.schemas import IMAGE_SUFFIXES

MAX_ENTRIES_PER_IMAGE = 10
"""Of a zip or a folder, for each image that a job may have; more is not looked through."""


def is_image(path: PurePosixPath) -> bool:
    """Whether it ends as images do and is not hidden, by itself or by where it lies."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in IMAGE_SUFFIXES
