"""Images and masks of this machine as inputs: paths, bytes, arrays and folders of files.

What the client sends, and what `fss label` reads without a server.
"""

from service.image_files.errors import UnusableInputError
from service.image_files.folder import (
    FolderFiles,
    files_of,
    is_broken_link,
    read_failure,
    shown_name,
)
from service.image_files.inputs import ImageLike, MaskLike, image_file, mask_file, size_hint
from service.image_files.shots import Shots, shot_batches

__all__ = [
    "FolderFiles",
    "ImageLike",
    "MaskLike",
    "Shots",
    "UnusableInputError",
    "files_of",
    "image_file",
    "is_broken_link",
    "mask_file",
    "read_failure",
    "shot_batches",
    "shown_name",
    "size_hint",
]
