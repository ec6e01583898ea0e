"""Which files of a folder or a zip are images, by their names: both ends of the wire agree."""

from pathlib import PurePath

IMAGE_KINDS = "JPEG, PNG, WebP, BMP or TIFF"
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"}
)
# What systems keep for themselves at the root of a disk, mostly unreadable, or in a zip.
_SYSTEM_FOLDERS = frozenset({"lost+found", "System Volume Information", "$RECYCLE.BIN", "__MACOSX"})


def is_hidden(name: str) -> bool:
    """Whether a file or folder is passed over for its name, with all that is in it."""
    return name.startswith(".") or name in _SYSTEM_FOLDERS


def is_image(path: PurePath) -> bool:
    """Whether a file has the suffix of an image, and neither it nor a folder above is hidden.

    Args:
        path: below the folder, or in the zip, that is looked through.
    """
    return path.suffix.lower() in IMAGE_SUFFIXES and not any(map(is_hidden, path.parts))
