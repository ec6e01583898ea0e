"""Every format and pixel mode comes out as the RGB picture people see."""

import tracemalloc
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.errors import UnsupportedImageError
from service.imaging import decode_image
from tests.service.imaging.samples import (
    MAX_PIXELS,
    blob,
    encode,
    exif,
    grey_tiff,
    photo,
    png,
    png_chunk,
)


def decoded(data: bytes) -> NDArray[np.uint8]:
    pixels = decode_image(data, max_pixels=MAX_PIXELS)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    return pixels


def error(pixels: NDArray[np.uint8], expected: NDArray[np.uint8]) -> float:
    assert pixels.shape == expected.shape
    return float(np.abs(pixels.astype(float) - expected).mean())


def grey_of(values: list[float]) -> NDArray[np.uint8]:
    return np.repeat(np.array([values], np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"big_tiff": True}),
    ],
)
def test_a_lossless_rgb_file_keeps_every_value(kind: str, options: dict[str, object]) -> None:
    data = encode(Image.fromarray(photo()), kind, **options)
    np.testing.assert_array_equal(decoded(data), photo())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"subsampling": 0}),
        ("WEBP", {"quality": 90}),
        ("TIFF", {"compression": "jpeg"}),
    ],
)
def test_a_lossy_rgb_file_stays_close(kind: str, options: dict[str, object]) -> None:
    assert error(decoded(encode(Image.fromarray(photo()), kind, **options)), photo()) < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_grey_becomes_three_equal_channels(kind: str) -> None:
    grey = photo()[:, :, 0]
    pixels = decoded(encode(Image.fromarray(grey), kind))
    assert error(pixels, np.repeat(grey[:, :, None], 3, axis=2)) < 2
    np.testing.assert_array_equal(pixels[:, :, 0], pixels[:, :, 2])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_one_bit_becomes_black_and_white(kind: str) -> None:
    pixels = decoded(encode(Image.fromarray(blob()), kind))
    np.testing.assert_array_equal(pixels[:, :, 1], np.where(blob(), 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_palette_is_looked_up(kind: str) -> None:
    palette = Image.fromarray(photo()).quantize(64)
    np.testing.assert_array_equal(
        decoded(encode(palette, kind)), np.asarray(palette.convert("RGB"))
    )


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_the_colours_it_prints(kind: str) -> None:
    cmyk = Image.fromarray(photo()).convert("CMYK")
    assert error(decoded(encode(cmyk, kind)), photo()) < 4


def test_an_adobe_cmyk_jpeg_is_inverted_back() -> None:
    data = encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    assert b"Adobe" in data
    assert error(decoded(data), np.full((16, 16, 3), (255, 0, 0), np.uint8)) < 4


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_lies_over_white(kind: str) -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(10, 20, 30, 255), (10, 20, 30, 0), (0, 0, 0, 128)])
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    pixels = decoded(encode(image, kind, **options))
    assert pixels.tolist() == [[[10, 20, 30], [255, 255, 255], [127, 127, 127]]]


def test_grey_with_alpha_lies_over_white() -> None:
    image = Image.new("LA", (2, 1))
    image.putdata([(40, 255), (40, 0)])
    np.testing.assert_array_equal(decoded(encode(image, "PNG")), grey_of([40, 255]))


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_a_transparent_palette_entry_is_white(transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([9, 8, 7, 50, 60, 70])
    image.putdata([0, 1])
    pixels = decoded(encode(image, "PNG", transparency=transparency))
    assert pixels.tolist() == [[[9, 8, 7], [255, 255, 255]]]


@pytest.mark.parametrize(("mode", "key"), [("L", 40), ("RGB", (40, 40, 40))])
def test_a_transparent_colour_is_white(mode: str, key: int | tuple[int, ...]) -> None:
    image = Image.fromarray(np.array([[40, 41]], np.uint8)).convert(mode)
    pixels = decoded(encode(image, "PNG", transparency=key))
    np.testing.assert_array_equal(pixels, grey_of([255, 41]))


def sixteen_bit_png(values: list[int], **options: int) -> bytes:
    return encode(Image.fromarray(np.array([values], np.uint16)), "PNG", **options)


def test_a_transparent_grey_of_sixteen_bits_is_white() -> None:
    pixels = decoded(sixteen_bit_png([300, 257 * 40], transparency=300))
    np.testing.assert_array_equal(pixels, grey_of([255, 40]))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_grey_of_few_bits_is_white_and_no_other_is(depth: int) -> None:
    values = list(range(1 << depth))
    bits = "".join(f"{value:0{depth}b}" for value in values).ljust(8, "0")
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    pixels = png_chunk(b"IDAT", zlib.compress(b"\0" + packed))
    greys = [value * 255 / values[-1] for value in values]
    for key in values[:3]:
        transparency = png_chunk(b"tRNS", key.to_bytes(2, "big"))
        data = png(len(values), 1, transparency, pixels, depth=depth)
        expected = [
            255 if value == key else grey for value, grey in zip(values, greys, strict=True)
        ]
        np.testing.assert_array_equal(decoded(data), grey_of(expected))


def test_a_transparent_colour_of_sixteen_bits_is_refused() -> None:
    # Both have the same high bytes, and one alone is transparent.
    row = b"\0" + bytes([10, 1, 20, 1, 30, 1]) + bytes([10, 1, 20, 1, 30, 2])
    chunks = png_chunk(b"tRNS", row[1:7]), png_chunk(b"IDAT", zlib.compress(row))
    with pytest.raises(UnsupportedImageError, match="transparent colour"):
        decoded(png(2, 1, *chunks, depth=16, colour=2))
    assert decoded(png(2, 1, chunks[1], depth=16, colour=2)).tolist() == [[[10, 20, 30]] * 2]


@pytest.mark.parametrize(
    "data",
    [
        sixteen_bit_png([0, 257, 32896, 65535]),
        grey_tiff(np.array([[0, 257, 32896, 65535]], np.uint16)),
        grey_tiff(np.array([[0, 257, 32896, 65535]], np.uint16), order=">"),
        grey_tiff(np.array([[0, 257, 32896, 65535]], np.int32)),
    ],
    ids=["png", "tiff-little", "tiff-big", "tiff-32"],
)
def test_sixteen_bits_are_scaled_and_not_clipped(data: bytes) -> None:
    np.testing.assert_array_equal(decoded(data), grey_of([0, 1, 128, 255]))


def test_twelve_bits_in_sixteen_are_not_guessed() -> None:
    assert decoded(sixteen_bit_png([0, 4095])).max() == 16


def test_wide_integers_are_stretched() -> None:
    data = grey_tiff(np.array([[-100_000, 0, 100_000]], np.int32))
    np.testing.assert_array_equal(decoded(data), grey_of([0, 128, 255]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 0.25, 0.25], [0, 64, 64]),
        ([-3.0, 0.0, 3.0], [0, 128, 255]),
        ([0.0, np.nan, 1.0], [0, 0, 255]),
        ([np.inf, 0.0, 1.0], [0, 0, 255]),
        ([7.0, 7.0, 7.0], [0, 0, 0]),
    ],
)
def test_floats_in_the_unit_range_are_intensities_and_others_stretched(
    values: list[float], expected: list[float]
) -> None:
    data = grey_tiff(np.array([values], np.float32))
    np.testing.assert_array_equal(decoded(data), grey_of(expected))


def test_sixteen_bit_colour_keeps_its_high_bytes() -> None:
    row = b"\0" + bytes([10, 99, 20, 99, 30, 99])
    data = png(1, 1, png_chunk(b"IDAT", zlib.compress(row)), depth=16, colour=2)
    assert decoded(data).tolist() == [[[10, 20, 30]]]


def test_a_colour_profile_and_text_change_nothing() -> None:
    plain = encode(Image.fromarray(photo()), "PNG")
    profiled = encode(Image.fromarray(photo()), "PNG", icc_profile=b"not a profile" * 100)
    assert len(profiled) > len(plain)
    np.testing.assert_array_equal(decoded(profiled), photo())


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_the_first_of_several_pages_is_taken(kind: str) -> None:
    pages = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(pages[0], kind, save_all=True, append_images=pages[1:], **options)
    np.testing.assert_array_equal(decoded(data), np.asarray(pages[0]))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_one_pixel_is_an_image(kind: str) -> None:
    assert decoded(encode(Image.new("RGB", (1, 1), "white"), kind)).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize(("height", "width"), [(1, 20_000), (20_000, 1)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_a_line_of_twenty_thousand_pixels_is_an_image(kind: str, height: int, width: int) -> None:
    assert (
        error(decoded(encode(Image.fromarray(photo(height, width)), kind)), photo(height, width))
        < 9
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    stored = Image.fromarray(photo())
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = decoded(encode(stored, kind, exif=exif(orientation), **options))
    labelled = stored.copy()
    labelled.getexif()[0x0112] = orientation
    shown = np.asarray(ImageOps.exif_transpose(labelled))
    assert error(pixels, shown) < 3


@pytest.mark.parametrize("block", [exif(0), exif(9), b"Exif\0\0II*\0", b"Exif\0\0" + b"\xff" * 40])
def test_a_broken_orientation_means_none(block: bytes) -> None:
    data = encode(Image.fromarray(photo()), "JPEG", exif=block)
    assert decoded(data).shape == (48, 64, 3)


@pytest.mark.parametrize("kind", ["GIF", "ICO", "PPM", "TGA", "JPEG2000", "PDF"])
def test_other_formats_are_unsupported(kind: str) -> None:
    with pytest.raises(UnsupportedImageError, match="JPEG, PNG, WebP, BMP, TIFF"):
        decoded(encode(Image.new("RGB", (32, 32), "red"), kind))


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"hello", b"<svg/>", b"\xff\xd8", b"RIFF\0\0\0\0WAVE"]
)
def test_bytes_of_no_format_are_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedImageError):
        decoded(data)


def test_lab_becomes_the_colours_it_describes() -> None:
    # L* of 50 % is a grey of 119 in sRGB.
    data = encode(Image.new("LAB", (1, 1), (128, 128, 128)), "TIFF")
    assert error(decoded(data), np.full((1, 1, 3), 119, np.uint8)) < 2


def test_sixteen_bits_cost_few_bytes_a_pixel() -> None:
    values = (np.arange(1000 * 1000) % 65536).astype(np.uint16).reshape(1000, 1000)
    data = encode(Image.fromarray(values), "PNG")
    tracemalloc.start()
    try:
        pixels = decoded(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Pillow's copies of 2 bytes, one grey and three colours; in float64 it would be over 20.
    assert peak < 12 * values.size
    np.testing.assert_array_equal(pixels[:, :, 1], np.rint(values / 257))


def test_transparency_is_laid_over_white_in_every_row() -> None:
    rgba = np.zeros((700, 500, 4), np.uint8)
    rgba[:, :, 3] = np.arange(700)[:, None] % 256
    pixels = decoded(encode(Image.fromarray(rgba), "PNG"))
    assert np.abs(pixels[:, 0, 0].astype(int) - (255 - np.arange(700) % 256)).max() <= 1
