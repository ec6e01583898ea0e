"""Broken, contradictory and malicious files: a clear error, quickly, and no warning."""

import struct
import threading
import time
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from service.errors import (
    CorruptImageError,
    ImageTooLargeError,
    ServiceError,
    UnsupportedImageError,
)
from service.imaging import decode_image, decode_mask
from tests.service.imaging.samples import (
    MAX_PIXELS,
    Fields,
    encode,
    every_file,
    exif,
    grey_tiff,
    photo,
    png,
    png_chunk,
    tiff,
)

FILES = dict(every_file())


@pytest.fixture(autouse=True)
def no_warning() -> Iterator[None]:
    """Warnings would be errors here and vanish into the handled ones, so they are recorded."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [str(warning.message) for warning in caught] == []


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """What runs inside takes less processor time, whatever else the machine is doing."""
    started = time.thread_time()
    yield
    assert time.thread_time() - started < seconds


def refuse(data: bytes, error: type[ServiceError], *, max_pixels: int = MAX_PIXELS) -> None:
    """Both decoders raise exactly this error."""
    for decode in (decode_image, decode_mask):
        with pytest.raises(error) as raised:
            decode(data, max_pixels=max_pixels)
        assert type(raised.value) is error


# Of several pages only the first is read, so the loss of a later one goes unnoticed.
@pytest.mark.parametrize("name", sorted(FILES.keys() - {"tiff-pages"}))
def test_a_file_cut_anywhere_is_corrupt(name: str) -> None:
    data = FILES[name]
    # Below twelve bytes a file does not even tell its type.
    for cut in np.linspace(12, len(data) - len(data) // 40 - 4, 40).astype(int):
        refuse(data[:cut], CorruptImageError)


@pytest.mark.parametrize("name", FILES)
def test_the_pixel_limit_is_inclusive(name: str) -> None:
    assert decode_image(FILES[name], max_pixels=48 * 64).size == 48 * 64 * 3
    refuse(FILES[name], ImageTooLargeError, max_pixels=48 * 64 - 1)


def huge_headers() -> Iterator[tuple[str, bytes]]:
    jpeg = bytearray(FILES["jpeg"])
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    yield "jpeg", bytes(jpeg)
    yield "png", png(100_000, 100_000, png_chunk(b"IDAT", zlib.compress(b"\0")))
    webp = bytearray(FILES["webp-animated"])
    webp[24:30] = b"\xff" * 6
    yield "webp", bytes(webp)
    bmp = bytearray(FILES["bmp"])
    bmp[18:26] = struct.pack("<ii", 100_000, -100_000)
    yield "bmp", bytes(bmp)
    yield "tiff", tiff({256: (4, [100_000]), 257: (4, [100_000])})


HUGE = dict(huge_headers())


@pytest.mark.parametrize("data", list(HUGE.values()), ids=HUGE)
def test_a_header_that_claims_too_much_is_refused_before_decoding(data: bytes) -> None:
    with cpu_limit(0.2):
        refuse(data, ImageTooLargeError)


def test_pixels_beyond_those_announced_are_never_inflated() -> None:
    bomb = zlib.compress(bytes(30_000_000), 6)
    with cpu_limit(0.02):
        pixels = decode_image(png(4, 4, png_chunk(b"IDAT", bomb)), max_pixels=16)
    assert pixels.shape == (4, 4, 3)


@pytest.mark.parametrize(
    "name_and_head", [(b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0")]
)
def test_a_bomb_in_metadata_is_never_inflated(name_and_head: tuple[bytes, bytes]) -> None:
    name, head = name_and_head
    bombs = [png_chunk(name, head + zlib.compress(bytes(20_000_000), 9))] * 20
    pixels = png_chunk(b"IDAT", zlib.compress(b"\0\x80"))
    with cpu_limit(0.02):
        decoded = decode_image(png(1, 1, *bombs, pixels), max_pixels=1)
    assert decoded.tolist() == [[[128, 128, 128]]]


def test_a_png_with_a_flipped_bit_fails_its_checksum() -> None:
    data = bytearray(FILES["png"])
    data[data.index(b"IDAT") + 40] ^= 1
    refuse(bytes(data), CorruptImageError)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 8, 16])
def test_a_png_whose_pixels_end_early_is_corrupt(interlaced: bool, depth: int) -> None:
    # 5 x 3 pixels. Interlaced, the passes hold rows of 1, 1, 1, 3, twice 2, and 5 pixels.
    row_lengths = [1, 1, 1, 3, 2, 2, 5] if interlaced else [5, 5, 5]
    rows = b"".join(bytes(1 + (length * depth + 7) // 8) for length in row_lengths)
    header = struct.pack(">IIBBBBB", 5, 3, depth, 0, 0, 0, interlaced)

    def file(pixels: bytes) -> bytes:
        chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(pixels))
        return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b"")

    assert decode_image(file(rows), max_pixels=15).shape == (3, 5, 3)
    refuse(file(rows[:-1]), CorruptImageError)


def test_pixel_chunks_behind_the_end_of_the_pixels_cost_next_to_nothing() -> None:
    end, more = png_chunk(b"IDAT", zlib.compress(b"\0")), png_chunk(b"IDAT", bytes(600))
    data = png(400, 400, end, *[more] * 8_000)
    with cpu_limit(0.5):
        refuse(data, CorruptImageError)


@pytest.mark.parametrize("between", [b"", b"\xff\xe1\x00\x00", b"\xff\x02\xff\xff"])
def test_a_jpeg_of_a_thousand_scans_is_refused(between: bytes) -> None:
    data = FILES["jpeg-progressive"]
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    refuse(data[:-2] + between + last_scan * 1000 + b"\xff\xd9", CorruptImageError)


def damaged_jpegs() -> Iterator[tuple[str, bytes]]:
    """Files that libjpeg decodes, with colours that it makes up."""
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    data = encode(Image.fromarray(noise), "JPEG", quality=95)
    middle = len(data) // 2
    yield "zeros", data[:middle] + bytes(400) + data[middle + 400 :]
    yield "closed", data[:middle] + b"\xff\xd9"
    announced = bytearray(data)
    frame = announced.index(b"\xff\xc0")
    announced[frame + 5 : frame + 9] = struct.pack(">HH", 600, 800)
    yield "announced", bytes(announced)


DAMAGED = dict(damaged_jpegs())


@pytest.mark.parametrize("data", list(DAMAGED.values()), ids=DAMAGED)
def test_a_jpeg_that_lost_a_part_is_corrupt(data: bytes) -> None:
    refuse(data, CorruptImageError)


def test_a_fax_is_refused_before_it_is_decoded() -> None:
    for compression in ("group3", "group4", "tiff_ccitt"):
        page = Image.fromarray(photo()).convert("1")
        refuse(encode(page, "TIFF", compression=compression), UnsupportedImageError)


def test_what_lies_behind_a_jpeg_is_not_looked_at() -> None:
    """As the video of a motion photo: 8 MB, of which some bytes are markers by chance."""
    video = np.random.default_rng(0).bytes(8 << 20)
    assert video.count(b"\xff\xda") > 100
    for kind in ("jpeg", "jpeg-progressive"):
        alone = decode_image(FILES[kind], max_pixels=MAX_PIXELS)
        assert np.array_equal(decode_image(FILES[kind] + video, max_pixels=MAX_PIXELS), alone)


@pytest.mark.parametrize("filling", [b"\xff\xff", b"\x00\xff", b"\xff\x00", b"\xff\xd0"])
def test_filling_in_a_jpeg_costs_next_to_nothing(filling: bytes) -> None:
    jpeg = FILES["jpeg"]
    place = jpeg.index(b"\xff\xdb")
    data = jpeg[:place] + filling * (4 << 20) + jpeg[place:]
    with cpu_limit(0.5):
        assert decode_image(data, max_pixels=MAX_PIXELS).shape == (48, 64, 3)


def test_a_jpeg_of_a_million_empty_segments_is_refused() -> None:
    jpeg = FILES["jpeg"]
    for place in (2, len(jpeg) - 2):
        segments = b"\xff\xfe\x00\x02" * (1 << 20)
        with cpu_limit(0.5):
            refuse(jpeg[:place] + segments + jpeg[place:], CorruptImageError)


def test_overlapping_exif_values_cost_nothing() -> None:
    entries = b"".join(struct.pack("<HHII", tag, 7, 60_000, 8) for tag in range(1000, 6000))
    block = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entries + bytes(8)
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    jpeg = FILES["jpeg"]
    data = jpeg[:2] + segment + jpeg[2:]
    with cpu_limit(0.1):
        assert decode_image(data, max_pixels=MAX_PIXELS).shape == (48, 64, 3)


def grey(changes: Fields) -> bytes:
    """A 4 x 4 TIFF with some fields replaced."""
    return grey_tiff(np.full((4, 4), 9, np.uint8), changes=changes)


@pytest.mark.parametrize(
    "data",
    [
        grey({257: (4, [0])}),
        grey({256: (3, [4, 4])}),
        grey({259: (11, [1])}),
        grey({259: (3, [9999])}),
        grey({273: (4, [4_000_000_000])}),
        grey({273: (4, list(range(70_000)))}),
        grey({277: (3, [60_000])}),
        grey({322: (4, [60_000]), 323: (4, [60_000]), 324: (4, [8]), 325: (4, [16])}),
        tiff({}),
        b"II*\0\xff\xff\xff\xff" + bytes(40),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
        b"II+\0\x08\0\0\0" + b"\xff" * 40,
    ],
)
def test_an_absurd_tiff_is_corrupt(data: bytes) -> None:
    refuse(data, CorruptImageError)


@pytest.mark.parametrize(
    "data",
    [
        grey({258: (3, [77])}),
        grey_tiff(np.zeros((4, 4), np.float64)),
        grey_tiff(np.full((4, 4), 1 << 31, np.uint32)),
        grey_tiff(np.full((4, 4), 1 << 31, np.uint32), order=">"),
        grey({258: (3, [8] * 5), 277: (3, [5]), 279: (4, [80]), 339: (3, [1] * 5)}),
        grey({258: (3, [32] * 3), 262: (3, [2]), 277: (3, [3]), 339: (3, [3] * 3)}),
    ],
    ids=["77 bits", "float64", "uint32", "uint32 big", "five bands", "float RGB"],
)
def test_a_tiff_of_unknown_pixels_is_unsupported_and_not_broken(data: bytes) -> None:
    refuse(data, UnsupportedImageError)


def test_signed_values_below_zero_are_taken() -> None:
    values = np.array([[-5, 0], [5, 250]], np.int32)
    for order in ("<", ">"):
        pixels = decode_image(grey_tiff(values, order=order), max_pixels=4)
        assert pixels[:, :, 0].tolist() == [[0, 5], [10, 255]]


def test_pages_that_form_a_loop_are_never_followed() -> None:
    looped = bytearray(grey({}))
    (directory,) = struct.unpack_from("<I", looped, 4)
    (count,) = struct.unpack_from("<H", looped, directory)
    struct.pack_into("<I", looped, directory + 2 + 12 * count, directory)
    assert decode_image(bytes(looped), max_pixels=16).shape == (4, 4, 3)


def test_a_file_that_contradicts_its_own_size_is_corrupt() -> None:
    jpeg = FILES["jpeg"]
    frame = jpeg.index(b"\xff\xc0")
    (length,) = struct.unpack_from(">H", jpeg, frame + 2)
    second = bytearray(jpeg[frame : frame + 2 + length])
    second[5:9] = struct.pack(">HH", 30_000, 30_000)
    refuse(jpeg[: frame + 2 + length] + second + jpeg[frame + 2 + length :], CorruptImageError)


def test_run_length_coded_bmp_is_unsupported() -> None:
    data = bytearray(FILES["bmp"])
    struct.pack_into("<I", data, 30, 1)
    refuse(bytes(data), UnsupportedImageError)


def test_metadata_does_not_reach_the_decoder() -> None:
    data = encode(Image.fromarray(photo()), "JPEG", exif=exif(1), comment=b"x" * 60_000)
    assert decode_image(data, max_pixels=MAX_PIXELS).shape == (48, 64, 3)


@pytest.mark.parametrize("name", FILES)
def test_any_changed_byte_gives_a_picture_or_an_error_of_the_service(name: str) -> None:
    rng = np.random.default_rng(20260101)
    refused = 0
    for _ in range(250):
        data = bytearray(FILES[name])
        # Headers are short and matter most: half of the changes go there.
        reach = len(data) if rng.random() < 0.5 else min(len(data), 200)
        data[int(rng.integers(reach))] = int(rng.integers(256))
        with cpu_limit(1.0):
            try:
                decode_image(bytes(data), max_pixels=MAX_PIXELS)
            except ServiceError:
                refused += 1
    assert 0 < refused < 250


def test_eight_threads_decode_what_one_does() -> None:
    jobs = list(FILES.values()) * 8
    alone = [decode_image(data, max_pixels=MAX_PIXELS) for data in FILES.values()] * 8
    together = threading.Barrier(8)

    def work(indices: range) -> list[bool]:
        together.wait(timeout=30)
        return [
            bool(np.array_equal(decode_image(jobs[index], max_pixels=MAX_PIXELS), alone[index]))
            for index in indices
        ]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, [range(start, len(jobs), 8) for start in range(8)]))
    assert all(all(result) for result in results)
    assert sum(len(result) for result in results) == len(jobs)
