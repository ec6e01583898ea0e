"""What counts as object in a mask of every kind."""

import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import UnsupportedImageError
from service.imaging import decode_image, decode_mask
from tests.service.imaging.samples import (
    MAX_PIXELS,
    blob,
    encode,
    exif,
    grey_tiff,
    png,
    png_chunk,
)


def decoded(data: bytes) -> NDArray[np.bool_]:
    mask = decode_mask(data, max_pixels=MAX_PIXELS).objects
    assert mask.dtype == np.bool_
    assert mask.ndim == 2
    return mask


def objects(data: bytes) -> list[bool]:
    """The first row of a mask."""
    return [bool(value) for value in decoded(data)[0]]


def palette_row(indices: list[int]) -> Image.Image:
    image = Image.new("P", (len(indices), 1))
    # Index 0 is white and index 1 black: colours would say the opposite of indices.
    image.putpalette([255, 255, 255, 0, 0, 0, 128, 0, 0])
    image.putdata(indices)
    return image


def row(mode: str, values: list[tuple[int, ...]]) -> Image.Image:
    image = Image.new(mode, (len(values), 1))
    image.putdata(values)
    return image


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("value", [1, 128, 255])
def test_any_nonzero_grey_is_object(kind: str, value: int) -> None:
    data = encode(Image.fromarray(blob().astype(np.uint8) * value), kind)
    np.testing.assert_array_equal(decoded(data), blob())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_one_bit_is_object_or_not(kind: str) -> None:
    np.testing.assert_array_equal(decoded(encode(Image.fromarray(blob()), kind)), blob())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_palette_is_read_by_index_and_not_by_colour(kind: str) -> None:
    assert objects(encode(palette_row([0, 1, 2]), kind)) == [False, True, True]


def test_a_transparent_palette_entry_changes_nothing() -> None:
    data = encode(palette_row([0, 1, 2]), "PNG", transparency=1)
    assert objects(data) == [False, True, True]


@pytest.mark.parametrize(
    "data",
    [
        encode(Image.fromarray(np.array([[0, 1, 65535]], np.uint16)), "PNG"),
        grey_tiff(np.array([[0, 1, 65535]], np.uint16)),
        grey_tiff(np.array([[0, 1, 256]], np.uint16), order=">"),
        grey_tiff(np.array([[0, -1, 70_000]], np.int32)),
        grey_tiff(np.array([[0, 1e-6, 1]], np.float32)),
    ],
    ids=["png", "tiff-little", "tiff-big", "tiff-32", "tiff-float"],
)
def test_the_smallest_value_of_a_wide_mask_is_object(data: bytes) -> None:
    assert objects(data) == [False, True, True]


def test_a_float_that_is_no_number_is_background() -> None:
    assert objects(grey_tiff(np.array([[np.nan, 1.0]], np.float32))) == [False, True]


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})]
)
def test_any_nonzero_channel_is_object(kind: str, options: dict[str, object]) -> None:
    image = row("RGB", [(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 3)])
    assert objects(encode(image, kind, **options)) == [False, True, True, True]


def test_an_object_needs_colour_and_alpha() -> None:
    rgba = row("RGBA", [(0, 0, 0, 255), (9, 0, 0, 255), (9, 9, 9, 0), (0, 0, 1, 1)])
    assert objects(encode(rgba, "PNG")) == [False, True, False, True]
    grey = row("LA", [(0, 255), (9, 255), (9, 0), (1, 1)])
    assert objects(encode(grey, "PNG")) == [False, True, False, True]


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {"quality": 30}), ("WEBP", {"quality": 30}), ("TIFF", {"compression": "jpeg"})],
)
def test_ringing_of_a_lossy_mask_is_not_object(kind: str, options: dict[str, object]) -> None:
    drawn = Image.fromarray(blob(120, 160).astype(np.uint8) * 255).convert("RGB")
    data = encode(drawn, kind, **options)
    mask = decoded(data)
    wrong = int((mask ^ blob(120, 160)).sum())
    assert wrong < 40, "a lossy mask differs along its edge alone"


def test_a_lossless_webp_mask_keeps_its_smallest_value() -> None:
    assert objects(encode(row("RGB", [(0, 0, 0), (1, 1, 1)]), "WEBP", lossless=True)) == [
        False,
        True,
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_turns_with_its_image(orientation: int) -> None:
    drawn = Image.fromarray(blob().astype(np.uint8) * 255)
    data = encode(drawn, "PNG", exif=exif(orientation))
    shown = decode_image(data, max_pixels=MAX_PIXELS)[:, :, 0] == 255
    np.testing.assert_array_equal(decoded(data), shown)
    assert decoded(data).shape == ((64, 48) if orientation > 4 else (48, 64))


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_faint_colours_of_sixteen_bits_are_refused_and_not_lost(colour: int) -> None:
    channels = {2: 3, 4: 2, 6: 4}[colour]
    rows = b"\0" + b"\0\1" * channels * 4
    data = png(4, 1, png_chunk(b"IDAT", zlib.compress(rows)), depth=16, colour=colour)
    assert decode_image(data, max_pixels=4).shape == (1, 4, 3)
    with pytest.raises(UnsupportedImageError, match="16 bits"):
        decode_mask(data, max_pixels=4)


def test_faint_grey_of_sixteen_bits_is_an_object() -> None:
    data = png(4, 1, png_chunk(b"IDAT", zlib.compress(b"\0" + b"\0\1" * 4)), depth=16)
    assert decode_mask(data, max_pixels=4).objects.all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_grey_of_few_bits_changes_nothing(depth: int) -> None:
    pixels = png_chunk(b"IDAT", zlib.compress(b"\0" + bytes([1 << 8 - depth])))
    transparency = png_chunk(b"tRNS", b"\0\1")
    assert objects(png(1, 1, transparency, pixels, depth=depth)) == [True]
