"""PIL images and masks: the same to the service as the files they were opened from."""

import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.errors import UnsupportedImageError
from service.image_files import UnusableInputError, image_file, mask_file
from service.imaging import decode_image, decode_mask
from tests.service.imaging.samples import (
    MAX_PIXELS,
    blob,
    encode,
    every_file,
    exif,
    grey_tiff,
    photo,
    png,
    png_chunk,
)
from tests.service.pictures import picture, with_alpha

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHOT = picture()
GREY = photo()[:, :, 0]
MARKED = blob()
OBJECT = np.uint8(255) * MARKED


def palette(indices: np.ndarray) -> Image.Image:
    """Green and black, in this order: an object of index 1 is black."""
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel())
    image.putpalette([0, 120, 0, 0, 0, 0])
    return image


def blurred() -> Image.Image:
    """What a lossy file makes of a mask: values on both sides of the half, around its edge."""
    soft = np.clip(MARKED * 180.0 + 60 * np.sin(np.arange(MARKED.shape[1])), 0, 255)
    return Image.fromarray(soft.astype(np.uint8))


XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF>
</x:xmpmeta>"""


def with_xmp(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A file that XMP says to turn."""
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        return encode(image, kind, pnginfo=info, **options)
    if kind == "TIFF":
        return encode(image, kind, tiffinfo={700: XMP, **options})
    return encode(image, kind, xmp=XMP, **options)


def with_exif_as_text() -> bytes:
    """A PNG as ImageMagick once wrote them."""
    info, block = PngInfo(), exif(6)
    info.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
    return encode(Image.fromarray(photo()), "PNG", pnginfo=info)


DEEP = GREY.astype(np.uint16) * 257
IMAGES = dict(every_file()) | {
    "grey of 16 bits": encode(Image.fromarray(DEEP), "PNG", exif=exif(6)),
    "grey of 16 bits, big end first": grey_tiff(DEEP, order=">"),
    "grey of 32 bits": grey_tiff(DEEP.astype(np.int32) * 5 - 90_000),
    "grey of 32 bits, turned": grey_tiff(DEEP.astype(np.int32), changes={274: (3, [6])}),
    "floats": grey_tiff(GREY.astype(np.float32) / 255),
    "wide floats": grey_tiff(GREY.astype(np.float32) * 10, changes={274: (3, [5])}),
    "alpha": encode(with_alpha("RGB", GREY), "PNG"),
    "grey and alpha": encode(with_alpha("L", GREY), "PNG", exif=exif(8)),
    "palette and transparency": encode(palette(MARKED.astype(np.uint8)), "PNG", transparency=1),
    "a transparent colour": encode(Image.fromarray(photo()), "PNG", transparency=(40, 30, 120)),
    "a transparent grey": encode(Image.fromarray(GREY), "PNG", transparency=40),
    "a transparent grey of 16 bits": encode(
        Image.fromarray(DEEP), "PNG", transparency=int(DEEP[9, 9]), exif=exif(6)
    ),
    "JPEG and XMP": with_xmp(Image.fromarray(photo()), "JPEG"),
    "PNG and XMP": with_xmp(Image.fromarray(photo()), "PNG"),
    "WebP and XMP": with_xmp(Image.fromarray(photo()), "WEBP"),
    "TIFF and XMP": with_xmp(Image.fromarray(photo()), "TIFF"),
    "PNG, XMP and EXIF": with_xmp(Image.fromarray(photo()), "PNG", exif=exif(3)),
    "JPEG, XMP and other EXIF": with_xmp(Image.fromarray(photo()), "JPEG", exif=b"Exif\0\0"),
    "TIFF turned by both": encode(Image.fromarray(photo()), "TIFF", tiffinfo={274: 8, 700: XMP}),
    "EXIF as text": with_exif_as_text(),
    "broken EXIF": encode(Image.fromarray(photo()), "PNG", exif=b"Exif\0\0no directory"),
    "bits": encode(Image.fromarray(MARKED), "PNG"),
    "CMYK": encode(Image.fromarray(photo()).convert("CMYK"), "TIFF"),
}
MASKS = {
    "grey": encode(Image.fromarray(MARKED.astype(np.uint8)), "PNG", exif=exif(6)),
    "bits": encode(Image.fromarray(MARKED), "PNG"),
    "colours": encode(
        Image.merge("RGB", [Image.fromarray(OBJECT // n) for n in (90, 255, 1)]), "BMP"
    ),
    "XMP": with_xmp(Image.fromarray(OBJECT), "PNG"),
    "a transparent grey of 16 bits": encode(
        Image.fromarray(MARKED.astype(np.uint16)), "PNG", transparency=1
    ),
    "alpha alone": encode(with_alpha("RGB", OBJECT), "PNG"),
    "grey and alpha": encode(with_alpha("L", OBJECT), "PNG"),
    "palette": encode(palette(MARKED.astype(np.uint8)), "PNG"),
    "palette and transparency": encode(palette(MARKED.astype(np.uint8)), "PNG", transparency=1),
    "an index beyond the palette": encode(palette(MARKED.astype(np.uint8) * 4), "TIFF"),
    "grey of 16 bits": encode(Image.fromarray(MARKED.astype(np.uint16)), "PNG"),
    "grey of 32 bits": grey_tiff(MARKED.astype(np.int32) * 65536),
    "floats": grey_tiff(MARKED.astype(np.float32) * np.float32(0.001)),
    "JPEG": encode(blurred(), "JPEG", quality=30, exif=exif(3)),
    "JPEG in colour": encode(blurred().convert("RGB"), "JPEG", quality=30),
    "JPEG of inks": encode(blurred().convert("CMYK"), "JPEG", quality=60),
    "JPEG in a TIFF": encode(blurred(), "TIFF", compression="jpeg", quality=30),
    "lossy WebP": encode(blurred().convert("RGB"), "WEBP", quality=10),
    "lossy WebP and alpha": encode(
        with_alpha("RGB", OBJECT // 3), "WEBP", quality=10, exif=exif(6)
    ),
    "lossless WebP": encode(
        Image.fromarray(np.uint8(3) * MARKED).convert("RGB"), "WEBP", lossless=True, exif=exif(6)
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_what_its_file_is(name: str) -> None:
    data = IMAGES[name]
    with Image.open(BytesIO(data)) as image:
        sent = image_file(image)
    decoded = decode_image(sent, max_pixels=MAX_PIXELS)
    assert np.array_equal(decoded, decode_image(data, max_pixels=MAX_PIXELS))
    assert np.ptp(decoded) > 100


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("loaded", [False, True])
def test_a_mask_is_what_its_file_is(name: str, loaded: bool) -> None:
    data = MASKS[name]
    with Image.open(BytesIO(data)) as mask:
        if loaded:
            mask.load()
        sent = mask_file(mask)
    decoded = decode_mask(sent, max_pixels=MAX_PIXELS).objects
    assert np.array_equal(decoded, decode_mask(data, max_pixels=MAX_PIXELS).objects)
    assert 0 < decoded.mean() < 1


def test_a_mask_whose_small_values_are_lost_is_refused_as_its_file_is() -> None:
    rows = (b"\0" + bytes(4 * 6)) * 4  # of each a filter, and four pixels
    deep = png(4, 4, png_chunk(b"IDAT", zlib.compress(rows)), depth=16, colour=2)
    with Image.open(BytesIO(deep)) as mask, pytest.raises(UnusableInputError, match="16 bits"):
        mask_file(mask)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_tiff_that_pillow_reads_inverted_is_refused_as_its_file_is(loaded: bool) -> None:
    data = grey_tiff(DEEP, photometric=0)
    with pytest.raises(UnsupportedImageError, match="white as zero"):
        decode_image(data, max_pixels=MAX_PIXELS)
    for read in (image_file, mask_file):
        with Image.open(BytesIO(data)) as image:
            if loaded:
                image.load()
            with pytest.raises(UnusableInputError, match="white as zero"):
                read(image)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_an_image_that_was_sent_is_what_it_was(kind: str) -> None:
    data = with_xmp(Image.fromarray(photo()), kind)
    with Image.open(BytesIO(data)) as image:
        assert image_file(image) == image_file(image)
        assert image.size == photo().shape[1::-1]
        assert image.getexif()[274] == 6


def test_an_orientation_that_a_program_sets_is_respected() -> None:
    image = Image.fromarray(photo())
    image.getexif()[274] = 6
    sent = decode_image(image_file(image), max_pixels=MAX_PIXELS)
    assert np.array_equal(sent, np.rot90(photo(), -1))


def test_a_torn_file_that_was_opened_is_told() -> None:
    data = SHOT.image_png[:300]
    for read in (image_file, mask_file):
        with Image.open(BytesIO(data)) as image, pytest.raises(UnusableInputError, match="PIL"):
            read(image)
