"""What is refused in the files of a support, and what people are warned of."""

from typing import NamedTuple

from service.errors import EmptyMaskError, FullMaskError, MaskSizeMismatchError
from service.imaging import (
    LOSSY_OBJECT_LEVEL,
    MaskFile,
    MaskValues,
    SupportImage,
    swaps_sides,
)
from service.sessions.mask_size import SIZE_MESSAGES, size_code

_FAINT = 256 // 4  # a wide image that is darker everywhere hardly uses its range
_MAX_LISTED = 6


class MaskFacts(NamedTuple):
    """A mask without its pixels.

    height, width: as displayed. share: of its pixels that are object.
    area: share of the image that is object as the network sees it.
    """

    height: int
    width: int
    share: float
    area: float
    file: MaskFile


def check_mask(mask: MaskFacts, image: SupportImage) -> None:
    """Refuse a mask of another size, or one with no object or no background.

    Raises:
        MaskSizeMismatchError, EmptyMaskError, FullMaskError.
    """
    height, width = image.pixels.shape[:2]
    if (mask.height, mask.width) != (height, width):
        turned = {image.orientation, mask.file.orientation} != {1}
        lying = turned and (mask.width, mask.height) == (height, width)
        raise MaskSizeMismatchError(
            f"the mask is {mask.height} x {mask.width} pixels (height x width), its image "
            f"{height} x {width}{', each as displayed by its EXIF orientation' if lying else ''}"
        )
    if mask.share == 0:
        raise EmptyMaskError(f"the mask marks no pixel as object{_what_is_object(mask.file)}")
    if mask.share == 1:
        raise FullMaskError("the mask marks every pixel as object, so there is no background")


def file_warnings(
    mask: MaskFacts, image: SupportImage, position: int, *, same_file: bool
) -> tuple[str, ...]:
    """What may be wrong with `images[position]` and `masks[position]`, behind their locations.

    Args:
        mask: one that `check_mask` takes.
        image: its image.
        position: of both in the request.
        same_file: whether they are the same bytes.
    """
    size = size_code(mask.area)
    of_mask = [
        "the mask is the very file of its image" if same_file else _about_values(mask.file.values),
        _about_orientation(mask, image),
        None if size is None else SIZE_MESSAGES[size],
    ]
    located = [(f"images[{position}]", _about_range(image))]
    located += [(f"masks[{position}]", words) for words in of_mask]
    return tuple(f"{place}: {words}" for place, words in located if words is not None)


def _what_is_object(file: MaskFile) -> str:
    if file.has_alpha:
        return "; with an alpha channel, colour and alpha must both be nonzero"
    if file.lossy:
        return f"; of a JPEG or a lossy WebP, values from {LOSSY_OBJECT_LEVEL} on are"
    return ""


def _about_range(image: SupportImage) -> str | None:
    if not image.wide or (brightest := int(image.pixels.max())) >= _FAINT:
        return None
    return (
        f"the brightest pixel has {max(1, round(brightest / 2.55))} % of the range of its numbers, "
        "so that the image is read as nearly black; stretch it to the full range"
    )


def _about_orientation(mask: MaskFacts, image: SupportImage) -> str | None:
    """Nothing where the size tells that a mask was drawn on the image as displayed."""
    turned, of_mask = image.orientation, mask.file.orientation
    if (turned == 1) == (of_mask == 1):
        return None
    if mask.height != mask.width and swaps_sides(max(turned, of_mask)):
        return None
    one, other = ("image", "mask") if of_mask == 1 else ("mask", "image")
    return (
        f"the {one} is turned by its EXIF orientation and the {other} is not: both are compared "
        "as displayed"
    )


def _about_values(values: MaskValues) -> str | None:
    match values.kind:
        case "picture":
            return (
                "the mask looks like a photograph or a map of probabilities: much of it is "
                "neither 0 nor as bright as the rest"
            )
        case "soft":
            return "the edges of the mask are soft, and all that is not 0 was taken as object"
        case "several":
            return f"the mask has {_listed(values)}, which were all taken as object"
        case "one":
            return None


def _listed(values: MaskValues) -> str:
    if not len(values.grey):
        return f"{values.different} colours"
    if values.different <= _MAX_LISTED:
        return f"the values {', '.join(f'{value:g}' for value in values.grey)}"
    return f"{values.different} values from {values.grey[0]:g} to {values.grey[-1]:g}"
