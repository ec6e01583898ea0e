"""A photograph is sent the way up at which it is shown, whatever its EXIF orientation."""

import base64
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO

from service.imaging import decode_image
from tests.browser.playground import Playground
from tests.browser.scenes import SIZE
from tests.service.imaging.samples import encode, exif, photo
from tests.service.pictures import iou, picture

pytestmark = pytest.mark.browser

_READ = """
const [from, text, done] = arguments;
const base64 = (url) => url.slice(url.indexOf(',') + 1);
import(from).then(async ({readPhoto}) => {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const photo = await readPhoto(new File([bytes], 'photo', {type: 'image/any', lastModified: 7}));
  const reader = new FileReader();
  await new Promise((read) => { reader.onload = read; reader.readAsDataURL(photo.file); });
  const {file: {name, type, lastModified}, width, height, thumb} = photo;
  done({
    told: [name, type, lastModified], width, height,
    thumb: base64(thumb.toDataURL()), sent: base64(reader.result),
  });
}).catch((problem) => done(String(problem)));
"""


def shown_and_sent(page: Playground, data: bytes) -> tuple[NDArray[np.uint8], bytes]:
    """The picture that a person paints on, and the file that goes up."""
    module = page.one("script[type=module]").get_attribute("src")
    assert module is not None
    answer = page.driver.execute_async_script(
        _READ, module.replace("main.js", "photo.js"), base64.b64encode(data).decode()
    )
    assert answer["told"] == ["photo", "image/any", 7]
    thumb = Image.open(BytesIO(base64.b64decode(answer["thumb"])))
    assert thumb.size == (answer["width"], answer["height"])
    return np.asarray(thumb.convert("RGB")), base64.b64decode(answer["sent"])


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def odd_webp() -> bytes:
    """Two EXIF chunks of odd length, one before the pixels, and bytes behind the file's end."""
    plain = encode(Image.fromarray(photo()), "WEBP", lossless=True)
    assert plain[12:16] == b"VP8L"
    pixels = plain[20 : 20 + struct.unpack_from("<I", plain, 16)[0]]
    extended = b"\x0c\0\0\0" + (63).to_bytes(3, "little") + (47).to_bytes(3, "little")
    turned = exif(6) + b"\0" * (1 - len(exif(6)) % 2)
    chunks = [(b"EXIF", turned), (b"VP8L", pixels), (b"EXIF", turned), (b"XMP ", b"<x/>")]
    return webp((b"VP8X", extended), *chunks) + b"left over"


def files(kind: str) -> list[bytes]:
    """One for each orientation."""
    image = Image.fromarray(photo())
    if kind == "animated":
        pages = {"save_all": True, "append_images": [image.rotate(180)], "lossless": True}
        return [encode(image, "WEBP", exif=exif(each), **pages) for each in range(1, 9)]
    if kind == "odd":
        return [odd_webp()]
    options = {"lossless": True} if kind == "WEBP" else {}
    return [encode(image, kind, exif=exif(each), **options) for each in range(1, 9)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "animated", "odd"])
def test_the_service_sees_what_is_shown(page: Playground, kind: str) -> None:
    for data in files(kind):
        shown, sent = shown_and_sent(page, data)
        seen = decode_image(sent, max_pixels=shown.size)
        assert seen.shape == shown.shape
        assert np.abs(seen.astype(int) - shown).mean() < 3
        if kind in ("animated", "odd", "WEBP"):
            np.testing.assert_array_equal(seen, photo())
            assert b"EXIF" not in sent
            assert sent[20] & 0x08 == 0
            assert len(sent) == 8 + struct.unpack_from("<I", sent, 4)[0]
        else:
            assert sent == data


def test_a_webp_without_exif_goes_up_as_it_is(page: Playground) -> None:
    data = encode(Image.fromarray(photo()), "WEBP", quality=80)
    assert shown_and_sent(page, data)[1] == data


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
@pytest.mark.parametrize("orientation", [3, 6])
def test_a_class_is_learned_from_what_is_painted_on_a_webp(
    page: Playground, tmp_path: Path, orientation: int
) -> None:
    top, left, height, width = 10, 16, 40, 60
    scene = picture(box=(top, left, height, width))
    support, query = tmp_path / "support.webp", tmp_path / "query.png"
    Image.fromarray(scene.image).save(support, exif=exif(orientation), lossless=True)
    Image.fromarray(scene.image).save(query)
    page.photo_size = SIZE
    page.choose("#shot-files", [support])
    page.editor()
    page.tool("polygon")
    corners = [(0, 0), (width, 0), (width, height), (0, height), (0, 0)]
    page.tap(*(((left + x) / SIZE[0], (top + y) / SIZE[1]) for x, y in corners))
    page.close_editor("done")
    page.type("#class-name", "thing")
    page.register()
    page.choose("#query-files", [query])
    page.found(1)
    coco = COCO(page.download("#take-coco", "annotations.json"))
    (annotation,) = coco.loadAnns(coco.getAnnIds())
    assert iou(coco.annToMask(annotation).astype(bool), scene.mask) > 0.8
