"""What is told of the values of a mask: one, several, soft edges, or a picture."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.imaging import MaskValues, decode_mask
from tests.service.imaging.samples import MAX_PIXELS, blob, encode, grey_tiff, photo

HEIGHT, WIDTH = 96, 128
MASK = blob(HEIGHT, WIDTH)


def values_of(data: bytes) -> MaskValues:
    return decode_mask(data, max_pixels=MAX_PIXELS).file.values


def label_map(*values: int) -> NDArray[np.uint8]:
    """Areas of these values, one beside the other, on a background."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for number, value in enumerate(values):
        labels[10:80, 10 + 20 * number : 30 + 20 * number] = value
    return labels


def noisy_photo() -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(-6, 7, (HEIGHT, WIDTH, 3))
    return (photo(HEIGHT, WIDTH) + noise).clip(0, 255).astype(np.uint8)


def palette(labels: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(labels)
    image.putpalette(bytes(range(256)) * 3)
    return image


@pytest.mark.parametrize(
    "data",
    [
        encode(Image.fromarray(MASK), "PNG"),
        encode(Image.fromarray(MASK.astype(np.uint8)), "PNG"),
        encode(Image.fromarray(MASK.astype(np.uint8) * 255), "PNG"),
        encode(Image.fromarray(MASK.astype(np.uint8) * 255).convert("RGB"), "PNG"),
        encode(Image.fromarray(MASK.astype(np.uint16) * 300), "PNG"),
        grey_tiff(MASK.astype(np.float32) / 2),
        encode(Image.fromarray(MASK.astype(np.uint8) * 255), "JPEG", quality=30),
        encode(Image.fromarray(np.ones((9, 1), np.uint8)), "PNG"),
    ],
    ids=["bits", "0/1", "0/255", "rgb", "16 bits", "floats", "jpeg", "a column"],
)
def test_a_mask_has_one_value(data: bytes) -> None:
    assert values_of(data).kind == "one"


@pytest.mark.parametrize(
    ("data", "grey", "different"),
    [
        (encode(Image.fromarray(label_map(1, 15, 255)), "PNG"), [1, 15, 255], 3),
        (encode(palette(label_map(15, 255)), "PNG"), [15, 255], 2),
        (encode(Image.fromarray(label_map(2, 1).astype(np.uint16) * 300), "PNG"), [300, 600], 2),
        (grey_tiff(label_map(7, 8).astype(np.int32)), [7, 8], 2),
    ],
    ids=["grey", "palette", "16 bits", "32 bits"],
)
def test_the_values_of_a_label_map_are_listed(data: bytes, grey: list[int], different: int) -> None:
    found = values_of(data)
    assert (found.kind, found.different, found.grey.tolist()) == ("several", different, grey)


def test_colours_as_bright_as_each_other_are_counted() -> None:
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[10:40, 10:60, 0] = colours[50:80, 10:60, 1] = colours[10:80, 70:90, 2] = 128
    found = values_of(encode(Image.fromarray(colours), "PNG"))
    assert (found.kind, found.different, found.grey.tolist()) == ("several", 3, [])


@pytest.mark.parametrize("blur", [0.7, 3.0])
def test_edges_that_fade_are_soft(blur: float) -> None:
    soft = np.asarray(cv2.GaussianBlur(MASK.astype(np.uint8) * 255, (0, 0), blur), np.uint8)
    assert values_of(encode(Image.fromarray(soft), "PNG")).kind == "soft"


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 90}), ("WEBP", {"quality": 80})]
)
def test_a_photograph_is_a_picture_in_any_coding(kind: str, options: dict[str, int]) -> None:
    assert values_of(encode(Image.fromarray(noisy_photo()), kind, **options)).kind == "picture"


def test_probabilities_all_over_are_a_picture() -> None:
    fading = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    assert values_of(grey_tiff(fading)).kind == "picture"


def test_a_photograph_that_alpha_cuts_out_has_one_value() -> None:
    cut = np.dstack([noisy_photo(), MASK.astype(np.uint8) * 255])
    assert values_of(encode(Image.fromarray(cut), "PNG")).kind == "one"
    opaque = np.dstack([noisy_photo(), np.full_like(MASK, 255, np.uint8)])
    assert values_of(encode(Image.fromarray(opaque), "PNG")).kind == "picture"


def test_a_thin_void_of_a_large_map_is_found() -> None:
    labels = np.zeros((900, 1100), np.uint8)
    labels[200:700, 200:900] = 255
    labels[205:695, 205:895] = 15
    assert values_of(encode(Image.fromarray(labels), "PNG")).grey.tolist() == [15, 255]
