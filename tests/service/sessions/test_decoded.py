"""Decoded query images: found by their files, within a bound, the longest unused first to go."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from model.runtime import Window
from service.errors import CorruptImageError, ImageTooLargeError
from service.imaging import decode_reduced
from service.sessions import DecodedImages, PixelBudget
from service.sessions.decoded import FileKey, QueryImage
from service.sessions.uploads import ImageReader
from tests.service.pictures import picture

SIDE = 64
ONE = SIDE * SIDE * 3


def _image(value: int) -> QueryImage:
    return QueryImage(np.full((SIDE, SIDE, 3), value, np.uint8), 480, 640)


def _key(value: int) -> FileKey:
    return FileKey.of(bytes([value]), SIDE)


def test_the_longest_unused_goes_first() -> None:
    images = DecodedImages(2 * ONE + 1)
    for value in (1, 2):
        images.keep(_key(value), _image(value))
    assert images.find(_key(1)) is not None
    images.keep(_key(3), _image(3))
    found = [value for value in (1, 2, 3) if images.find(_key(value)) is not None]
    assert found == [1, 3]
    assert images.nbytes == 2 * ONE


def test_one_file_is_kept_once_for_each_side() -> None:
    images = DecodedImages(9 * ONE)
    for _ in range(2):
        images.keep(_key(1), _image(1))
    assert images.nbytes == ONE
    assert images.find(FileKey.of(bytes([1]), SIDE + 1)) is None


@pytest.mark.parametrize("max_bytes", [0, ONE - 1])
def test_what_does_not_fit_is_not_kept(max_bytes: int) -> None:
    images = DecodedImages(max_bytes)
    images.keep(_key(1), _image(1))
    assert (images.find(_key(1)), images.nbytes) == (None, 0)


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The files that were decoded."""
    seen: list[bytes] = []

    def watched(data: bytes, side: int, **options: Any) -> Any:
        seen.append(data)
        return decode_reduced(data, side, **options)

    monkeypatch.setattr("service.sessions.uploads.decode_reduced", watched)
    return seen


def _reader(
    images: DecodedImages, *, max_pixels: int = 10**6, keep_file: bool = False
) -> Callable[[bytes], QueryImage]:
    reader = ImageReader(max_pixels, PixelBudget(10**6), images)
    return lambda data: reader.query(data, 0, side=SIDE, keep_file=keep_file)


def test_a_repeated_file_is_decoded_once(decodings: list[bytes]) -> None:
    read = _reader(DecodedImages(9 * ONE))
    files = [picture(seed=seed).image_png for seed in range(2)]
    first, other, again = (read(data) for data in (*files, bytes(bytearray(files[0]))))
    assert decodings == files
    assert again.pixels is first.pixels
    assert again[1:] == first[1:]
    assert not np.array_equal(other.pixels, first.pixels)
    with pytest.raises(ValueError, match="read-only"):
        again.pixels[0] = 0


def test_a_file_is_held_for_tiles_only_where_they_are_asked_for() -> None:
    images, data = DecodedImages(9 * ONE), picture().image_png
    assert _reader(images)(data).file is None
    assert _reader(images, keep_file=True)(data).file == data
    assert _reader(images)(data).file is None


def test_what_cannot_be_read_is_refused_each_time(decodings: list[bytes]) -> None:
    images = DecodedImages(9 * ONE)
    torn = picture().image_png[:-40]
    for _ in range(2):
        with pytest.raises(CorruptImageError):
            _reader(images)(torn)
        with pytest.raises(ImageTooLargeError):
            _reader(images, max_pixels=9)(picture().image_png)
    assert (len(decodings), images.nbytes) == (4, 0)


def test_a_kept_window_does_not_keep_its_image() -> None:
    image = picture(height=40 * SIDE, width=SIDE)
    images = DecodedImages(9 * ONE)
    window = Window(3, 0, SIDE, SIDE)  # at the network's own size, so that nothing is resized
    reader = ImageReader(10**6, PixelBudget(10**6), images)
    (part,) = reader.windows(image.image_png, 0, [window], side=SIDE)
    np.testing.assert_array_equal(part, image.image[3 : 3 + SIDE])
    assert images.nbytes == ONE
    assert part.base is None or part.base.nbytes == ONE
