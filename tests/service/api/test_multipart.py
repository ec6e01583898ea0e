"""The multipart reader on bodies as bytes, whole and in pieces."""

from collections.abc import AsyncIterator

import pytest

from service.api.body.multipart import BodyLimits, FormFields, read_form
from service.errors import InvalidRequestError, MalformedBodyError, TooManyFilesError

LIMITS = BodyLimits(max_bytes=100_000, max_files=2)
CONTENT_TYPE = "multipart/form-data; boundary=b"


def part(name: str, content: bytes, *, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    return b"--b\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"


async def read(body: bytes, *, step: int = 1 << 16, content_type: str = CONTENT_TYPE) -> FormFields:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    return await read_form(chunks(), content_type, LIMITS)


@pytest.mark.parametrize("step", [1, 7, 1 << 16])
async def test_parts_are_the_same_in_any_pieces(step: int) -> None:
    binary = bytes(range(256)) + b"\r\n--a\r\n--\r\n-"
    body = (
        part("name", "gr\u00fcn".encode())
        + part("images", binary, filename="a.png")
        + part("name", b"")
        + part("images", b"", filename="b.png")
        + b"--b--\r\n"
    )
    fields = await read(body, step=step)
    assert fields == FormFields({"name": ["gr\u00fcn", ""]}, {"images": [binary, b""]})


@pytest.mark.parametrize("step", [1, 1 << 16])
async def test_a_file_field_left_empty_is_no_file(step: int) -> None:
    """As HTML forms send it; bytes without a name are a file all the same."""
    body = (
        part("images", b"", filename="")
        + part("images", b"data", filename="")
        + part("masks", b"", filename="")
        + b"--b--\r\n"
    )
    assert await read(body, step=step) == FormFields({}, {"images": [b"data"]})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        part("images", b"data", filename="a"),
        part("images", b"data", filename="a")[:30],
        b"--b\r\n\r\nno name\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: attachment; name=x\r\n\r\nvalue\r\n--b--\r\n",
        b"--b\r\nbad header\0\r\n\r\nvalue\r\n--b--\r\n",
    ],
)
async def test_malformed_bodies(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        await read(body)


@pytest.mark.parametrize("boundary", ["", "; boundary=", '; boundary="' + "x" * 500 + '"'])
async def test_boundary_is_needed(boundary: str) -> None:
    with pytest.raises(MalformedBodyError):
        await read(b"--b--\r\n", content_type="multipart/form-data" + boundary)


async def test_text_must_be_utf8() -> None:
    with pytest.raises(InvalidRequestError, match="UTF-8") as caught:
        await read(part("class_name", "caf\u00e9".encode("latin-1")) + b"--b--\r\n")
    assert caught.value.location == "class_name"


async def test_text_is_bounded() -> None:
    with pytest.raises(InvalidRequestError, match="4096") as caught:
        await read(part("class_name", b"x" * 5000) + b"--b--\r\n")
    assert caught.value.location == "class_name"


async def test_files_are_counted_for_each_field() -> None:
    pairs = part("images", b"i", filename="i") + part("masks", b"m", filename="m")
    fields = await read(pairs * 2 + b"--b--\r\n")
    assert {name: len(contents) for name, contents in fields.files.items()} == {
        "images": 2,
        "masks": 2,
    }
    with pytest.raises(TooManyFilesError) as caught:
        await read(pairs * 3 + b"--b--\r\n")
    assert caught.value.location == "images"


async def test_parts_are_bounded_whatever_their_names() -> None:
    parts = b"".join(part(f"field{i}", b"", filename="f") for i in range(301))
    with pytest.raises(InvalidRequestError, match="300 parts"):
        await read(parts + b"--b--\r\n")
