"""What people are told of the files of a support that is taken, or refused."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import EmptyMaskError, MaskSizeMismatchError
from service.sessions import ImageReader, PixelBudget
from tests.service.imaging.samples import exif, grey_tiff
from tests.service.pictures import Picture, picture

READER = ImageReader(10**6, PixelBudget(10**6))
SHOWN = picture()
POSITION = 2


def png(pixels: NDArray[Any], **options: Any) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def warnings(image: bytes, mask: bytes) -> tuple[str, ...]:
    return READER.support(image, mask, POSITION, side=32).warnings


def turned(shown: Picture, orientation: int, times: int) -> bytes:
    """A file whose pixels are stored turned by quarters, and its orientation undoes that."""
    return png(np.rot90(shown.image, times), exif=exif(orientation))


def test_a_plain_mask_is_nothing_to_tell_of() -> None:
    assert warnings(SHOWN.image_png, SHOWN.mask_png) == ()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((1, 255), "the values 1, 255"),
        (tuple(range(1, 9)), "8 values from 1 to 8"),
    ],
)
def test_several_values_are_told(values: tuple[int, ...], told: str) -> None:
    labels = np.zeros(SHOWN.mask.shape, np.uint8)
    for number, value in enumerate(values):
        labels[20:90, 10 + 16 * number : 26 + 16 * number] = value
    assert warnings(SHOWN.image_png, png(labels)) == (
        f"masks[2]: the mask has {told}, which were all taken as object",
    )


def test_colours_are_told() -> None:
    colours = np.zeros((*SHOWN.mask.shape, 3), np.uint8)
    colours[20:90, 20:60, 0] = colours[20:90, 70:110, 1] = 128
    (told,) = warnings(SHOWN.image_png, png(colours))
    assert "2 colours" in told


def test_soft_edges_are_told() -> None:
    fading = np.minimum(np.arange(160), 30) * 8
    soft = (SHOWN.mask * 255).astype(np.uint8)
    soft[40:80, 25:40] = fading[1:16]
    (told,) = warnings(SHOWN.image_png, png(soft))
    assert told.startswith("masks[2]: the edges of the mask are soft")


def test_a_photograph_in_the_place_of_a_mask_is_told() -> None:
    (told,) = warnings(SHOWN.mask_png, jpeg(SHOWN.image))
    assert told.startswith("masks[2]: the mask looks like a photograph")


def test_the_image_itself_as_its_mask_is_told_once() -> None:
    file = jpeg(SHOWN.image)
    assert warnings(file, file) == ("masks[2]: the mask is the very file of its image",)


@pytest.mark.parametrize(
    ("pixels", "share"),
    [
        (np.uint16(4), "2 %"),
        (np.uint16(1), "1 %"),
        (np.uint16(63), "25 %"),
        (np.uint16(64), None),
    ],
)
def test_a_wide_image_that_hardly_uses_its_range_is_told(
    pixels: np.uint16, share: str | None
) -> None:
    grey = (SHOWN.mask * pixels * np.uint16(257)).astype(np.uint16)
    told = warnings(png(grey), SHOWN.mask_png)
    assert len(told) == (share is not None)
    if share is not None:
        assert told[0].startswith(f"images[2]: the brightest pixel has {share} of the range")


def test_integers_of_32_bits_are_told_of_as_those_of_16() -> None:
    bytes_of_each = SHOWN.image[..., 0].astype(np.int32)
    (told,) = warnings(grey_tiff(bytes_of_each), SHOWN.mask_png)
    assert told.startswith("images[2]: the brightest pixel has 1 %")


def test_a_dark_photograph_of_8_bits_is_no_fault() -> None:
    assert warnings(png(SHOWN.image // 8), SHOWN.mask_png) == ()


@pytest.mark.parametrize("with_exif", [False, True])
def test_a_mask_that_may_not_be_turned_as_its_image_is_told(with_exif: bool) -> None:
    options = {"exif": exif(3)} if with_exif else {}
    told = warnings(turned(SHOWN, 3, 2), png(np.rot90(SHOWN.mask, 2).view(np.uint8), **options))
    assert len(told) == (not with_exif)
    assert all(each.startswith("masks[2]: the image is turned by its EXIF") for each in told)


def test_a_mask_that_is_turned_beside_an_image_that_is_not_is_told() -> None:
    (told,) = warnings(SHOWN.image_png, png(SHOWN.mask.view(np.uint8), exif=exif(3)))
    assert told.startswith("masks[2]: the mask is turned by its EXIF orientation and the image")


def test_a_square_image_may_be_turned_by_a_quarter() -> None:
    square = picture(height=120, width=120)
    (told,) = warnings(turned(square, 6, 1), square.mask_png)
    assert "EXIF" in told


def test_a_mask_whose_size_tells_how_it_was_drawn_is_no_fault() -> None:
    assert warnings(turned(SHOWN, 6, 1), SHOWN.mask_png) == ()


@pytest.mark.parametrize("told", [True, False])
def test_a_mask_as_the_image_is_stored_is_refused_with_the_reason(told: bool) -> None:
    image = turned(SHOWN, 6, 1) if told else SHOWN.image_png
    mask = png(np.rot90(SHOWN.mask).view(np.uint8))
    with pytest.raises(MaskSizeMismatchError) as caught:
        warnings(image, mask)
    assert ("EXIF" in caught.value.detail) == told
    assert "160 x 120 pixels (height x width), its image 120 x 160" in caught.value.detail


@pytest.mark.parametrize(
    ("channels", "words"), [(4, "colour and alpha must both be nonzero"), (1, "as object")]
)
def test_an_empty_mask_is_refused_with_what_applies_to_it(channels: int, words: str) -> None:
    alpha = np.dstack([np.zeros((120, 160, 3), np.uint8), SHOWN.mask.view(np.uint8) * 255])
    mask = png(alpha if channels == 4 else np.zeros((120, 160), np.uint8))
    with pytest.raises(EmptyMaskError) as caught:
        warnings(SHOWN.image_png, mask)
    assert caught.value.detail.endswith(words)
