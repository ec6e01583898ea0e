"""An image that is made small anyway is decoded small, and shows the same."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from model.contract import resize_image
from service.errors import CorruptImageError, ImageTooLargeError
from service.imaging import decode_image, decode_reduced
from service.samples import queries
from tests.service.imaging.samples import encode, exif, photo

SIDE = 64
MANY = 10**7
# 20 x 12 pixels, with colours at a third of the width, which Pillow does not write.
RARELY_SUBSAMPLED = b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNy"
    "wtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09P"
    "T09PT09PT09PT09PT09PT09PT09PT0//wAARCAAMABQDATEAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAABQQG/8"
    "QAHBAAAQQDAQAAAAAAAAAAAAAABAADBSIBITES/8QAFwEAAwEAAAAAAAAAAAAAAAAAAwQFBv/EABsRAAEEAwAAAAAA"
    "AAAAAAAAAAABAgMFBBEh/9oADAMBAAIRAxEAPwDKjRHKpYaI5VJtxFcVR4HlCszOFgwzWqpYYZrVUm2M14xVKwKpnK"
    "yV2j//2Q=="
)


@pytest.mark.parametrize(
    ("height", "width", "shape"),
    [
        (191, 800, (191, 800)),  # one side is too short already
        (383, 800, (383, 800)),
        (384, 800, (192, 400)),
        (1000, 1405, (250, 352)),
        (1601, 1803, (201, 226)),
    ],
)
def test_a_jpeg_is_decoded_as_small_as_leaves_enough(
    height: int, width: int, shape: tuple[int, int]
) -> None:
    data = encode(Image.fromarray(photo(height, width)), "JPEG")
    found = decode_reduced(data, SIDE, max_pixels=MANY)
    assert (found.height, found.width) == (height, width)
    assert found.pixels.shape == (*shape, 3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_a_jpeg_has_the_bytes_that_pillow_gives(scale: int, options: dict[str, int]) -> None:
    data = encode(Image.fromarray(photo(800, 1001)), "JPEG", **options)
    side = 800 // scale // 3
    with Image.open(BytesIO(data)) as image:
        image.draft("RGB", (3 * side, 3 * side))
        expected = np.asarray(image)
    found = decode_reduced(data, side, max_pixels=MANY).pixels
    assert found.shape[0] == 800 // scale
    np.testing.assert_array_equal(found, expected)


def test_a_jpeg_of_a_rare_subsampling_is_decoded_too() -> None:
    with Image.open(BytesIO(RARELY_SUBSAMPLED)) as image:
        expected = np.asarray(image)
    np.testing.assert_array_equal(decode_image(RARELY_SUBSAMPLED, max_pixels=MANY), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_pixels_are_those_that_people_see(orientation: int) -> None:
    data = encode(Image.fromarray(photo(400, 600)), "JPEG", exif=exif(orientation))
    whole = decode_image(data, max_pixels=MANY)
    found = decode_reduced(data, SIDE, max_pixels=MANY)
    assert (found.height, found.width) == whole.shape[:2]
    assert found.pixels.size < whole.size
    small, expected = (resize_image(each, SIDE) for each in (found.pixels, whole))
    assert np.abs(small.astype(float) - expected).mean() < 1


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_are_reduced_alike(mode: str) -> None:
    data = encode(Image.fromarray(photo(400, 600)).convert(mode), "JPEG")
    found = decode_reduced(data, SIDE, max_pixels=MANY)
    assert found.pixels.shape == (200, 300, 3)
    whole = decode_image(data, max_pixels=MANY)
    small, expected = (resize_image(each, SIDE) for each in (found.pixels, whole))
    assert np.abs(small.astype(float) - expected).mean() < 1


@pytest.mark.parametrize("name", [sample.name for sample in queries()])
def test_real_photographs_look_the_same(name: str) -> None:
    (sample,) = (each for each in queries() if each.name == name)
    whole = decode_image(sample.jpeg(), max_pixels=MANY)
    found = decode_reduced(sample.jpeg(), 48, max_pixels=MANY)
    assert found.pixels.shape[0] == whole.shape[0] / 4
    small, expected = (resize_image(each, 48) for each in (found.pixels, whole))
    assert np.abs(small.astype(float) - expected).mean() < 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF"])
def test_other_files_are_decoded_as_they_are(kind: str) -> None:
    data = encode(Image.fromarray(photo(400, 600)), kind)
    found = decode_reduced(data, SIDE, max_pixels=MANY)
    np.testing.assert_array_equal(found.pixels, decode_image(data, max_pixels=MANY))


def test_limits_and_complaints_are_those_of_the_whole() -> None:
    data = encode(Image.fromarray(photo(400, 600)), "JPEG")
    with pytest.raises(ImageTooLargeError):
        decode_reduced(data, SIDE, max_pixels=400 * 600 - 1)
    with pytest.raises(CorruptImageError):
        decode_reduced(data[: len(data) // 2], SIDE, max_pixels=MANY)
    waited: list[int] = []
    decode_reduced(data, SIDE, max_pixels=MANY, on_size=waited.append)
    assert waited == [400 * 600]
