"""Which files of a zip or a folder are images to segment, by their names."""

from pathlib import PurePosixPath

from service.schemas import IMAGE_SUFFIXES

MAX_ENTRIES_PER_IMAGE = 10
"""Most entries of a zip or a folder for each image that a job may have; more are refused."""


def is_image(path: PurePosixPath) -> bool:
    """Whether a file has the suffix of an image, and neither it nor a folder above is hidden."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in IMAGE_SUFFIXES
