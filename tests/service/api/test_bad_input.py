"""Bad input gets a clear problem, and a session that was there is still there afterwards."""

import zlib
from collections.abc import AsyncIterator
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image

from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from tests.service.http_api import (
    assert_problem,
    files,
    new_session,
    post_segment,
    post_support,
    running,
)
from tests.service.pictures import Picture, picture, png

GOOD = picture()
FULL = Picture(GOOD.image, np.ones_like(GOOD.mask))
EMPTY = Picture(GOOD.image, np.zeros_like(GOOD.mask))
SMALL_MASK = Picture(GOOD.image, GOOD.mask[:, 1:])


@pytest.fixture
async def session_id(client: httpx.AsyncClient) -> AsyncIterator[str]:
    """A session that every test must leave as it was."""
    session_id = await new_session(client, [GOOD])
    yield session_id
    session = (await client.get(f"/sessions/{session_id}")).json()
    assert session["classes"] == [{"class_name": "thing", "shots": 1, "adapted": False}]


def gif() -> bytes:
    buffer = BytesIO()
    Image.fromarray(GOOD.image).save(buffer, "GIF")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 415, "unsupported_image"),
        (b"%PDF-1.7 not an image", 415, "unsupported_image"),
        (gif(), 415, "unsupported_image"),
        (GOOD.image_png[: len(GOOD.image_png) // 2], 422, "corrupt_image"),
        (GOOD.image_png[:20], 422, "corrupt_image"),
    ],
)
@pytest.mark.parametrize("field", ["images", "masks"])
async def test_bad_file_is_named(
    client: httpx.AsyncClient, session_id: str, field: str, content: bytes, status: int, code: str
) -> None:
    contents = {"images": [GOOD.image_png] * 3, "masks": [GOOD.mask_png] * 3}
    contents[field][1] = content
    response = await client.post(
        "/support",
        data={"class_name": "thing", "session_id": session_id},
        files=files("images", contents["images"]) + files("masks", contents["masks"]),
    )
    assert assert_problem(response, status, code)["location"] == f"{field}[1]"


async def test_a_length_of_thousands_of_digits_is_a_number(client: httpx.AsyncClient) -> None:
    headers = {"Content-Length": "0" * 5000 + "5", "Content-Type": "text/plain"}
    response = await client.post("/segment", content=b"hello", headers=headers)
    assert_problem(response, 415, "unsupported_media_type")


async def test_bad_query_image_is_named(client: httpx.AsyncClient, session_id: str) -> None:
    response = await client.post(
        "/segment",
        data={"session_id": session_id},
        files=files("images", [GOOD.image_png, b"nonsense"]),
    )
    assert assert_problem(response, 415, "unsupported_image")["location"] == "images[1]"


@pytest.mark.parametrize(
    ("bad", "code"),
    [(SMALL_MASK, "mask_size_mismatch"), (EMPTY, "empty_mask"), (FULL, "full_mask")],
)
async def test_bad_mask_is_named(
    client: httpx.AsyncClient, session_id: str, bad: Picture, code: str
) -> None:
    response = await post_support(client, [GOOD, bad], session_id=session_id)
    assert assert_problem(response, 422, code)["location"] == "masks[1]"


async def test_counts_must_match(client: httpx.AsyncClient, session_id: str) -> None:
    response = await client.post(
        "/support",
        data={"class_name": "thing", "session_id": session_id},
        files=files("images", [GOOD.image_png] * 2) + files("masks", [GOOD.mask_png]),
    )
    assert "2 images, but 1 masks" in assert_problem(response, 422, "count_mismatch")["detail"]


async def test_mask_follows_the_displayed_frame(client: httpx.AsyncClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # displayed a quarter turn clockwise
    buffer = BytesIO()
    Image.fromarray(GOOD.image).save(buffer, "JPEG", exif=exif, quality=95)
    turned = np.rot90(GOOD.mask, -1)

    async def register(mask: bytes) -> httpx.Response:
        return await client.post(
            "/support",
            data={"class_name": "thing"},
            files=files("images", [buffer.getvalue()]) + files("masks", [mask]),
        )

    assert_problem(await register(GOOD.mask_png), 422, "mask_size_mismatch")
    assert (await register(png(turned.astype(np.uint8)))).status_code == 201


async def test_mask_of_another_size_whose_small_object_lies_outside_the_image(
    client: httpx.AsyncClient,
) -> None:
    wide = picture(height=300, width=400, box=(100, 350, 20, 20))
    tall = picture(height=400, width=300)
    response = await client.post(
        "/support",
        data={"class_name": "thing"},
        files=files("images", [tall.image_png]) + files("masks", [wide.mask_png]),
    )
    problem = assert_problem(response, 422, "mask_size_mismatch")
    assert problem["location"] == "masks[0]"


def bomb() -> bytes:
    """A PNG of a few bytes whose header, checksum and all, announces 1.6 gigapixels."""
    small = png(np.zeros((1, 1), np.uint8))
    header = small[12:16] + (40_000).to_bytes(4, "big") * 2 + small[24:29]
    return small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]


@pytest.mark.parametrize("field", ["images", "masks"])
async def test_bomb_is_refused_by_its_header(
    client: httpx.AsyncClient, session_id: str, field: str
) -> None:
    contents = {"images": [GOOD.image_png], "masks": [GOOD.mask_png], field: [bomb()]}
    response = await client.post(
        "/support",
        data={"class_name": "thing", "session_id": session_id},
        files=files("images", contents["images"]) + files("masks", contents["masks"]),
    )
    assert assert_problem(response, 413, "image_too_large")["location"] == f"{field}[0]"


async def test_pixel_limit(settings: Settings, fake_engine: FakeEngine) -> None:
    bounded = settings.model_copy(update={"max_pixels": 120 * 160})
    async with running(create_app(bounded, engine=fake_engine)) as client:
        session_id = await new_session(client, [GOOD])
        response = await post_segment(client, session_id, [GOOD, picture(height=121)])
        assert assert_problem(response, 413, "image_too_large")["location"] == "images[1]"


async def test_very_wide_image_is_segmented(client: httpx.AsyncClient, session_id: str) -> None:
    wide = picture(height=40, width=20_000, box=(0, 0, 40, 9_000))
    result = (await post_segment(client, session_id, [wide])).json()["results"][0]
    assert (result["height"], result["width"]) == (40, 20_000)
    assert result["classes"][0]["area"] == pytest.approx(40 * 9_000, rel=0.1)


@pytest.mark.parametrize("tall", [False, True])
@pytest.mark.parametrize("output", ["rle", "png", "polygon", "label map"])
async def test_a_line_of_a_million_pixels_is_segmented(
    client: httpx.AsyncClient, session_id: str, output: str, tall: bool
) -> None:
    height, width = (1_000_001, 1) if tall else (1, 1_000_001)
    line = picture(height=height, width=width, box=(0, 0, height, width))
    if output == "label map":
        response = await post_segment(client, session_id, [line], accept="image/png")
    else:
        response = await post_segment(client, session_id, [line], output=output)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "at least 1 character"),
        ("x" * 65, "at most 64 characters"),
        ("\u0958" * 64, "at most 64 characters"),  # two characters each, once composed
        ("line\nbreak", "control characters"),
        ("nul\0", "control characters"),
        ("gnp.\u202etac", "direction of text"),
        (" padded", "space"),
        ("..", "path segments"),
        (".", "path segments"),
        ("a/../b", "path segments"),
        ("a/.", "path segments"),
        ("..\\a", "path segments"),
    ],
)
async def test_bad_class_name(client: httpx.AsyncClient, name: str, words: str) -> None:
    problem = assert_problem(await post_support(client, [GOOD], name), 422, "invalid_request")
    (error,) = problem["errors"]
    assert error["location"] == "class_name"
    assert words in error["message"]


@pytest.mark.parametrize("threshold", ["nan", "inf", "-0.1", "1.1", "", "half"])
async def test_bad_threshold(client: httpx.AsyncClient, session_id: str, threshold: str) -> None:
    response = await post_segment(client, session_id, [GOOD], threshold=threshold)
    (error,) = assert_problem(response, 422, "invalid_request")["errors"]
    assert error["location"] == "threshold"


@pytest.mark.parametrize(
    ("fields", "location"),
    [({"output": "jpeg"}, "output"), ({"colour": "red"}, "colour"), ({"mode": "append"}, "mode")],
)
async def test_unknown_field_or_value(
    client: httpx.AsyncClient, session_id: str, fields: dict[str, str], location: str
) -> None:
    response = await post_segment(client, session_id, [GOOD], **fields)
    (error,) = assert_problem(response, 422, "invalid_request")["errors"]
    assert error["location"] == location


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/support", {"adapt": "AUTO"}, "must be 'true', 'false' or 'auto'"),
        ("/support", {"mode": "add"}, "must be 'append' or 'replace'"),
        ("/support", {"report": "maybe"}, "must be 'true' or 'false'"),
        ("/support", {"model": "A b"}, "must be a name from GET /models, or name@revision"),
        ("/support", {"colour": "red"}, "there is no such field"),
        (
            "/segment",
            {"threshold": "half"},
            "must be a number from 0 to 1, 'calibrated' or 'model'",
        ),
        ("/segment", {"mode": "AUTO"}, "must be 'auto', 'whole' or 'tiled'"),
    ],
)
async def test_complaints_name_what_is_allowed(
    client: httpx.AsyncClient, path: str, fields: dict[str, str], message: str
) -> None:
    ((wrong, _),) = fields.items()
    given = files("images", [GOOD.image_png])
    if path == "/support":
        given += files("masks", [GOOD.mask_png])
        fields = {"class_name": "thing", **fields}
    problem = assert_problem(
        await client.post(path, data=fields, files=given), 422, "invalid_request"
    )
    assert problem["errors"] == [{"location": wrong, "message": message}]
    assert problem["detail"] == f"{wrong}: {message}"


async def test_complaints_about_paths_are_in_the_same_words(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/sessions/any/classes/a%09b")
    (error,) = assert_problem(answer, 422, "invalid_request")["errors"]
    assert error == {"location": "path.name", "message": "must not contain control characters"}


async def test_empty_session_is_none(client: httpx.AsyncClient, session_id: str) -> None:
    new = await post_support(client, [GOOD], session_id="")
    assert new.status_code == 201
    assert new.json()["session_id"] not in {"", session_id}
    unnamed = await post_segment(client, "", [GOOD])
    assert assert_problem(unnamed, 422, "invalid_request")["location"] == "session_id"


async def test_identity_is_an_encoding_in_any_case(client: httpx.AsyncClient) -> None:
    request = files("images", [GOOD.image_png]) + files("masks", [GOOD.mask_png])
    response = await client.post(
        "/support",
        data={"class_name": "thing"},
        files=request,
        headers={"Content-Encoding": "Identity"},
    )
    assert response.status_code == 201


async def test_single_field_given_twice(client: httpx.AsyncClient, session_id: str) -> None:
    response = await post_segment(client, session_id, [GOOD], threshold=["0.1", "0.9"])
    assert assert_problem(response, 422, "invalid_request")["location"] == "threshold"


async def test_every_missing_field_is_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/support", files=files("masks", [GOOD.mask_png]))
    errors = assert_problem(response, 422, "invalid_request")["errors"]
    assert {error["location"] for error in errors} == {"class_name", "images"}


@pytest.mark.parametrize("sent", ["hello", "x" * 10_000])
async def test_text_in_place_of_a_file(client: httpx.AsyncClient, sent: str) -> None:
    response = await client.post(
        "/support",
        data={"class_name": "thing", "images": sent},
        files=files("masks", [GOOD.mask_png]),
    )
    errors = assert_problem(response, 422, "invalid_request")["errors"]
    assert errors == [
        {"location": "images", "message": "must be a file: its part needs a filename"}
    ]


@pytest.mark.parametrize("path", ["/support", "/segment"])
async def test_other_content_types(client: httpx.AsyncClient, path: str) -> None:
    as_json = await client.post(path, json={"class_name": "thing"})
    assert_problem(as_json, 415, "unsupported_media_type")
    assert_problem(await client.post(path), 415, "unsupported_media_type")
    urlencoded = await client.post(path, data={"class_name": "thing"})
    told = assert_problem(urlencoded, 415, "unsupported_media_type")
    assert "multipart/form-data, also where it holds no file" in told["detail"]
    compressed = await client.post(
        path,
        files=files("images", [GOOD.image_png]),
        headers={"Content-Encoding": "gzip"},
    )
    assert_problem(compressed, 415, "unsupported_media_type")
