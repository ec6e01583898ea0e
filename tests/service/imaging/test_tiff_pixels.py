"""Every layout of a TIFF's pixels is read as it was written, or refused: none is misread."""

import zlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import UnsupportedImageError
from service.imaging import decode_image, decode_mask
from tests.service.imaging.samples import MAX_PIXELS, Fields, tiff

HEIGHT, WIDTH = 7, 11
RNG = np.random.default_rng(4)
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

Order = Literal["<", ">"]
Pack = Callable[[bytes], bytes]


def lzw(data: bytes) -> bytes:
    """The table is cleared before each byte, so every code has 9 bits."""
    codes = "".join(f"{256:09b}{byte:09b}" for byte in data) + f"{257:09b}"
    codes += "0" * (-len(codes) % 8)
    return int(codes, 2).to_bytes(len(codes) // 8, "big")


RAW = 1
PACKERS: dict[int, Pack] = {RAW: bytes, 5: lzw, 8: zlib.compress}


def file(
    pixels: NDArray[Any],
    photometric: int,
    *,
    order: Order = "<",
    compression: int = RAW,
    planar: bool = False,
    extra: list[int] | None = None,
    reverse: bool = False,
    palette: NDArray[np.uint8] | None = None,
) -> bytes:
    """A TIFF of one strip, or one a plane, of an array (H, W, C) in its own dtype."""
    height, width, channels = pixels.shape
    stored = pixels.astype(pixels.dtype.newbyteorder(order))
    planes = [stored[..., band] for band in range(channels)] if planar else [stored]
    strips = [PACKERS[compression](plane.tobytes()) for plane in planes]
    if reverse:
        strips = [strip.translate(REVERSED) for strip in strips]
    lengths = [len(strip) for strip in strips]
    fields: Fields = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [pixels.dtype.itemsize * 8] * channels),
        259: (3, [compression]),
        262: (3, [photometric]),
        266: (3, [2 if reverse else 1]),
        273: (4, [8 + sum(lengths[:place]) for place in range(len(strips))]),
        277: (3, [channels]),
        278: (4, [height]),
        279: (4, lengths),
        284: (3, [2 if planar else 1]),
        339: (3, [{"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * channels),
    }
    if extra is not None:
        fields[338] = (3, extra)
    if palette is not None:
        fields[320] = (3, [int(value) * 257 for value in palette.ravel()])
    return tiff(fields, b"".join(strips), order=order)


def whole_range(dtype: type[np.integer[Any]], channels: int) -> NDArray[Any]:
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, (HEIGHT, WIDTH, channels), dtype, endpoint=True)


def assert_close(data: bytes, expected: NDArray[Any]) -> None:
    """Of 16 bits the upper 8 are kept, and alpha multiplies what that loses."""
    pixels = decode_image(data, max_pixels=MAX_PIXELS)
    assert np.abs(pixels - expected).max() <= 3


def refuse(data: bytes, words: str) -> None:
    """Neither decoder takes it."""
    for decode in (decode_image, decode_mask):
        with pytest.raises(UnsupportedImageError, match=words):
            decode(data, max_pixels=MAX_PIXELS)


def over_white(colours: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(colours * alpha + 255 * (1 - alpha))


NUMBERS = {
    "float32": RNG.random((HEIGHT, WIDTH, 1), np.float32),
    "int16": whole_range(np.int16, 1),
    "int32": whole_range(np.int32, 1),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("compression", PACKERS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_signed_numbers_and_floats_in_both_orders(
    name: str, compression: int, order: Order
) -> None:
    numbers = NUMBERS[name].copy()
    numbers[0, :3] = 0
    data = file(numbers, 1, order=order, compression=compression)
    if order == ">" and compression != RAW:
        refuse(data, "big-endian")
        return
    wide = numbers.astype(np.float64)
    black, white = (0.0, 1.0) if name == "float32" else (wide.min(), wide.max())
    assert_close(data, (wide - black) / (white - black) * 255)
    objects = decode_mask(data, max_pixels=MAX_PIXELS).objects
    np.testing.assert_array_equal(objects, numbers[..., 0] != 0)


@pytest.mark.parametrize("compression", PACKERS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_unsigned_numbers_in_both_orders(compression: int, order: Order) -> None:
    for numbers in (whole_range(np.uint8, 1), whole_range(np.uint16, 1)):
        data = file(numbers, 1, order=order, compression=compression)
        assert_close(data, numbers / np.iinfo(numbers.dtype).max * 255)


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", PACKERS)
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_together_and_in_planes(
    kind: str, dtype: type[np.integer[Any]], compression: int, planar: bool, order: Order
) -> None:
    pixels = whole_range(dtype, len(kind))
    extra = [2] if kind == "RGBA" else None
    photometric = 5 if kind == "CMYK" else 2
    data = file(
        pixels, photometric, order=order, compression=compression, planar=planar, extra=extra
    )
    if planar and dtype is np.uint16 and compression == RAW:
        refuse(data, "in separate planes")
        return
    shares = pixels / np.iinfo(dtype).max
    expected = shares[..., :3] * 255
    if kind == "RGBA":
        expected = over_white(expected, shares[..., 3:])
    if kind == "CMYK":
        expected = (1 - shares[..., :3]) * (1 - shares[..., 3:]) * 255
    assert_close(data, expected)
    if dtype is np.uint16:
        with pytest.raises(UnsupportedImageError, match="16 bits"):
            decode_mask(data, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("compression", PACKERS)
def test_grey_or_a_palette_with_alpha(compression: int) -> None:
    pixels, palette = whole_range(np.uint8, 2), RNG.integers(0, 256, (3, 256), np.uint8)
    alpha = pixels[..., 1:] / 255
    for photometric, colours, table in (
        (1, pixels[..., :1].astype(float), None),
        (3, np.moveaxis(palette[:, pixels[..., 0]], 0, 2).astype(float), palette),
    ):
        options: dict[str, Any] = {"compression": compression, "extra": [2], "palette": table}
        assert_close(file(pixels, photometric, **options), over_white(colours, alpha))
        refuse(file(pixels, photometric, planar=True, **options), "alpha in separate planes")


@pytest.mark.parametrize("compression", PACKERS)
def test_a_fourth_channel_in_a_plane_needs_a_meaning(compression: int) -> None:
    pixels = whole_range(np.uint8, 4)
    expected = over_white(pixels[..., :3].astype(float), pixels[..., 3:] / 255)
    assert_close(file(pixels, 2, compression=compression), expected)
    refuse(file(pixels, 2, compression=compression, planar=True), "fourth channel")


@pytest.mark.parametrize("compression", PACKERS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_white_as_zero(compression: int, order: Order) -> None:
    options: dict[str, Any] = {"compression": compression, "order": order}
    assert_close(file(NUMBERS["float32"], 1, **options | {"order": "<"}), NUMBERS["float32"] * 255)
    eight = whole_range(np.uint8, 1)
    assert_close(file(eight, 0, **options), 255.0 - eight)
    refuse(file(NUMBERS["float32"], 0, **options), "white as zero")
    refuse(file(whole_range(np.uint16, 1), 0, **options), "not supported")


@pytest.mark.parametrize("compression", PACKERS)
def test_signed_values_of_eight_bits_are_refused(compression: int) -> None:
    refuse(file(whole_range(np.int8, 1), 1, compression=compression), "signed 8-bit")


@pytest.mark.parametrize("compression", PACKERS)
def test_reversed_bits_in_planes(compression: int) -> None:
    pixels = whole_range(np.uint8, 3)
    together = file(pixels, 2, compression=compression, reverse=True)
    assert_close(together, pixels.astype(float))
    planes = file(pixels, 2, compression=compression, reverse=True, planar=True)
    if compression == RAW:
        refuse(planes, "in separate planes")
    else:
        assert_close(planes, pixels.astype(float))


@pytest.mark.parametrize("compression", PACKERS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("photometric", [0, 1])
def test_one_channel_in_a_plane_of_its_own_is_no_other_picture(
    compression: int, reverse: bool, photometric: int
) -> None:
    options: dict[str, Any] = {"compression": compression, "planar": True}
    if not (reverse and photometric == 0):  # Pillow cannot read it, wherever it lies
        eight = whole_range(np.uint8, 1)
        expected = eight.astype(float) if photometric else 255.0 - eight
        assert_close(file(eight, photometric, reverse=reverse, **options), expected)
    if not reverse and photometric:
        assert_close(file(NUMBERS["float32"], 1, **options), NUMBERS["float32"] * 255.0)
        sixteen = whole_range(np.uint16, 1)
        assert_close(file(sixteen, 1, **options), sixteen / 257)
