"""Images with a mask for each class beside them."""

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path, PurePath

from service.cli.class_names import class_name
from service.cli.failure import USAGE, CommandError
from service.cli.support_folder.shot import Shot, Supports, only_one
from service.cli.wording import counted, listed
from service.schemas import IMAGE_KINDS, IMAGE_SUFFIXES, is_image

_PNG = ".png"

_Images = defaultdict[str, list[Path]]
"""Files by their stems."""


def read_beside(folder: Path) -> Supports:
    """The shots of each class, in the order of names.

    Raises:
        CommandError: a file looks like a mask, and cannot be one.
    """
    images, masks = _images_and_masks(folder)
    _require_usable_names(images, masks)
    found = []
    for mask, stem in sorted(masks.items()):
        name = mask.stem.removeprefix(f"{stem}.")
        found.append((class_name(name), Shot(only_one(images[stem]), mask)))
    shots: dict[str, list[Shot]] = {}
    for name, shot in sorted(found, key=lambda each: each[0]):
        shots.setdefault(name, []).append(shot)
    unmasked = images.keys() - set(masks.values())
    doubts = _of_unmasked([path for stem in unmasked for path in images[stem]])
    return Supports(shots, doubts, indices={})


def masks_beside(folder: Path) -> list[Path]:
    """The files that are masks."""
    return sorted(_images_and_masks(folder)[1])


def _images_and_masks(folder: Path) -> tuple[_Images, dict[Path, str]]:
    """Images by their stems, and masks with the stem of their image."""
    images: _Images = defaultdict(list)
    masks: dict[Path, str] = {}
    found = sorted(path for path in folder.iterdir() if is_image(PurePath(path.name)))
    # Short stems first: beside a.jpg, a.v1.png is a mask, so a.v1.2.png is no mask of that.
    for path in sorted(found, key=lambda each: len(each.stem)):
        stem = _image_stem(path, images)
        if stem is None or path.suffix.lower() != _PNG:
            images[path.stem].append(path)
        else:
            masks[path] = stem
    return images, masks


def _image_stem(path: Path, images: Collection[str]) -> str | None:
    """The longest stem of an image that a file may be a mask of, by its name."""
    stem, dot, _ = path.stem.rpartition(".")
    while dot:
        if stem in images:
            return stem
        stem, dot, _ = stem.rpartition(".")
    return None


def _require_usable_names(images: _Images, masks: dict[Path, str]) -> None:
    """Raise `CommandError` for a file that is named as a mask, and is of no image or no PNG."""
    for stem in sorted(images.keys() - set(masks.values())):
        for path in images[stem]:
            if reason := _why_no_mask(path, images):
                raise CommandError(
                    f"{path} {reason}. If it is an image itself, its mask {stem}.CLASS.png is "
                    "missing",
                    USAGE,
                )
    for mask, stem in masks.items():
        suffix, dot, name = mask.stem.removeprefix(f"{stem}.").partition(".")
        if f".{suffix.lower()}" in IMAGE_SUFFIXES:
            better = f"{stem}.{name if dot else 'CLASS'}.png"
            raise CommandError(
                f"{mask}: a mask is called after its image without the suffix, {better}", USAGE
            )


def _why_no_mask(path: Path, images: _Images) -> str | None:
    """What keeps an image without a mask from being one; None: it does not look like a mask."""
    if path.suffix.lower() != _PNG:
        stem = _image_stem(path, images)
        return None if stem is None else f"is no mask of {stem}: masks are PNG files"
    if "." not in path.stem:
        return None
    image = path.stem.rpartition(".")[0]
    return f"is the mask of no image: none is called {image} ({IMAGE_KINDS})"


def _of_unmasked(images: list[Path]) -> list[str]:
    if not images:
        return []
    names = listed(sorted(path.name for path in images))
    return [f"not used, for want of a mask: {counted(len(images), 'image')} ({names})"]
