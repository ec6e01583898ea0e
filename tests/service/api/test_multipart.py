"""The multipart reader on bodies as bytes, whole and in pieces."""

from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel
from python_multipart import MultipartParser

from service.api.body.field_kinds import FieldKinds, field_kinds
from service.api.body.multipart import BodyLimits, FormFields, read_form
from service.errors import (
    InvalidFieldsError,
    InvalidRequestError,
    MalformedBodyError,
    TooManyFilesError,
)
from service.jobs import JobForm
from service.schemas import SegmentForm, SupportForm

LIMITS = BodyLimits(max_bytes=100_000, max_files=2)
FILE_FIELDS = frozenset({"images", "masks"})
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

    return await read_form(chunks(), content_type, LIMITS, FILE_FIELDS)


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
        part("name", b"value") + b"--b \r\n" + part("name", b"value")[5:] + b"--b--\r\n",
        part("name", b"value") + b"--b\t\r\n" + part("name", b"value")[5:] + b"--b--\r\n",
    ],
)
@pytest.mark.parametrize("step", [1, 1 << 16])
async def test_malformed_bodies(body: bytes, step: int) -> None:
    with pytest.raises(MalformedBodyError):
        await read(body, step=step)


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


async def test_files_are_taken_in_the_fields_for_files_alone() -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        await read(part("archive", b"", filename="f") + b"--b--\r\n")
    assert caught.value.problems == (("archive", "there is no such file field"),)


@pytest.mark.parametrize("step", [1, 7, 1 << 16])
async def test_parts_are_bounded_though_nothing_is_in_them(step: int) -> None:
    """Fields that an HTML form left empty are neither files nor texts."""
    empty = part("images", b"", filename="")
    assert await read(empty * 304 + b"--b--\r\n", step=step) == FormFields({}, {})
    with pytest.raises(InvalidRequestError, match="304 parts"):
        await read(empty * 305 + b"--b--\r\n", step=step)


@pytest.mark.parametrize("behind", [b"y", b"-y", b"\ry"])
@pytest.mark.parametrize("step", [1, 7, 1 << 16])
async def test_a_file_full_of_boundaries_is_refused(behind: bytes, step: int) -> None:
    """The parser goes on in Python behind each of them."""
    start = part("images", b"", filename="a")[:-2]
    few = b"\r\n--b" + behind
    fields = await read(start + few * 100 + b"\r\n--b--\r\n", step=step)
    assert fields.files == {"images": [few * 100]}
    with pytest.raises(InvalidRequestError, match="304 parts"):
        await read(start + few * 400, step=step)


@pytest.mark.parametrize("body", [b"\r\n--by" * 10_000, b"\r\n--b" + b" " * 50_000])
async def test_the_parser_is_given_nothing_that_takes_it_long(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(MultipartParser, "write", lambda _, chunk: written.append(chunk))
    with pytest.raises((InvalidRequestError, MalformedBodyError)):
        await read(body)
    assert written == []


@pytest.mark.parametrize(
    ("form", "kinds"),
    [
        (SupportForm, FieldKinds(frozenset({"images", "masks"}), frozenset())),
        (SegmentForm, FieldKinds(frozenset({"images"}), frozenset({"classes"}))),
        (
            JobForm,
            FieldKinds(frozenset({"images", "archive"}), frozenset({"classes", "formats"})),
        ),
    ],
)
def test_a_form_says_what_its_lists_are(form: type[BaseModel], kinds: FieldKinds) -> None:
    assert field_kinds(form) == kinds
