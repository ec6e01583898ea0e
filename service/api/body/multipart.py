"""Reads a multipart/form-data body while it arrives, within limits, into plain fields.

Files stay in memory unless something else takes them: the body is bounded, and nothing a client
sends touches the disk.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from service.api.body.delimiters import Delimiters
from service.errors import (
    BodyTooLargeError,
    InvalidFieldsError,
    InvalidRequestError,
    MalformedBodyError,
    TooManyFilesError,
    UnsupportedMediaTypeError,
)

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_MAX_TEXT_BYTES = 4096
_MAX_TEXTS = 300  # as many classes as a session may have, and the other fields


class BodyLimits(NamedTuple):
    """What a body may hold; files are counted for each field."""

    max_bytes: int
    max_files: int


class FormFields(NamedTuple):
    """Values by field name, each in order of arrival."""

    texts: dict[str, list[str]]
    files: dict[str, list[bytes]]


class FileSink(Protocol):
    """Takes a file while it arrives."""

    def write(self, data: bytes) -> object:
        """Take the next bytes."""

    def finish(self) -> bytes:
        """The file is complete; returns what `FormFields` is to hold of it."""

    def discard(self) -> None:
        """There is no file: an HTML form left its field empty."""


async def read_form(
    stream: AsyncIterator[bytes],
    content_type: str,
    limits: BodyLimits,
    file_fields: frozenset[str],
) -> FormFields:
    """Parse a body as it arrives; stops at the first chunk that breaks a limit.

    Raises:
        UnsupportedMediaTypeError, MalformedBodyError, BodyTooLargeError, TooManyFilesError.
        InvalidRequestError: a text field is too long or not UTF-8, there are too many parts, or
            files are not in the fields for files.
    """
    collector = Collector(file_fields, limits.max_files, _InMemory)
    await feed(collector, stream, content_type, limits.max_bytes)
    return FormFields(collector.texts, collector.files)


async def _at_once(write: Callable[[], object]) -> None:
    write()


async def feed(
    collector: "Collector",
    stream: AsyncIterator[bytes],
    content_type: str,
    max_bytes: int,
    run: Callable[[Callable[[], object]], Awaitable[object]] = _at_once,
) -> None:
    """Parse a body into a collector; `run` makes the calls of the parser.

    Raises:
        ServiceError: see `read_form`.
    """
    received = 0
    try:
        boundary = _boundary(content_type)
        parser = MultipartParser(boundary, collector.callbacks())
        delimiters = Delimiters(boundary, collector.max_parts)
        async for chunk in stream:
            received += len(chunk)
            if received > max_bytes:
                raise BodyTooLargeError(f"the body exceeds {max_bytes} bytes")
            delimiters.count(chunk)
            await run(partial(parser.write, chunk))
    except FormParserError as exc:
        raise MalformedBodyError("the body is not well-formed multipart/form-data") from exc
    if not collector.complete:
        raise MalformedBodyError("the body ends before its closing boundary")


def _boundary(content_type: str) -> bytes:
    media_type, parameters = parse_options_header(content_type)
    if media_type == b"application/x-www-form-urlencoded":
        raise UnsupportedMediaTypeError(
            "the body must be multipart/form-data, also where it holds no file: `--form` of curl, "
            "`files=` of httpx and requests"
        )
    if media_type != b"multipart/form-data":
        raise UnsupportedMediaTypeError("the body must be multipart/form-data")
    boundary = parameters.get(b"boundary", b"")
    if not boundary:
        raise MalformedBodyError("the content type names no boundary")
    return boundary


class _InMemory:
    """Keeps a file."""

    def __init__(self, _field: str, _file_name: str) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        self._data += data

    def finish(self) -> bytes:
        return bytes(self._data)

    def discard(self) -> None:
        self._data.clear()


class Collector:
    """Gathers parts from the parser's callbacks.

    Args:
        file_fields: the fields whose parts are files; those of all others are texts.
        max_files: of each of these fields.
        open_file: makes what takes a file, from the names of its field and of the file.
    """

    def __init__(
        self,
        file_fields: frozenset[str],
        max_files: int,
        open_file: Callable[[str, str], FileSink],
    ) -> None:
        self.texts: dict[str, list[str]] = {}
        self.files: dict[str, list[bytes]] = {}
        self.complete = False
        self.max_parts = len(file_fields) * max_files + _MAX_TEXTS
        self._file_fields = file_fields
        self._max_files = max_files
        self._open_file = open_file
        self._text_parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._name = ""
        self._file: FileSink | None = None  # of the part, unless it is a text
        self._has_file_name = False
        self._size = 0
        self._text = bytearray()

    def callbacks(self) -> "MultipartCallbacks":
        """What the parser calls."""
        return {
            "on_part_begin": self._begin_part,
            "on_header_begin": self._begin_header,
            "on_header_field": self._header_field,
            "on_header_value": self._header_text,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._part_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._headers = {}
        self._size = 0
        self._file = None
        self._text = bytearray()

    def _begin_header(self) -> None:
        self._header_name, self._header_value = bytearray(), bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)

    def _end_headers(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"").decode("latin-1")
        kind, parameters = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in parameters:
            raise MalformedBodyError("a part has no field name")
        self._name = parameters[b"name"].decode("utf-8", "replace")
        if b"filename" in parameters:
            self._begin_file(parameters[b"filename"].decode("utf-8", "replace"))
        else:
            self._begin_text()

    def _begin_text(self) -> None:
        if self._name in self._file_fields:
            raise InvalidFieldsError([(self._name, "must be a file: its part needs a filename")])
        self._text_parts += 1
        if self._text_parts > _MAX_TEXTS:  # they are in memory, wherever files are
            raise InvalidRequestError(f"the body has more than {_MAX_TEXTS} text fields")

    def _begin_file(self, file_name: str) -> None:
        if self._name not in self._file_fields:
            raise InvalidFieldsError([(self._name, "there is no such file field")])
        if len(self.files.get(self._name, ())) == self._max_files:
            raise TooManyFilesError(f"more than {self._max_files} files").at(self._name)
        self._has_file_name = bool(file_name)
        self._file = self._open_file(self._name, file_name)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._file is not None:
            self._file.write(data[start:end])
            return
        self._text += data[start:end]
        if self._size > _MAX_TEXT_BYTES:
            raise InvalidRequestError(f"longer than {_MAX_TEXT_BYTES} bytes").at(self._name)

    def _end_part(self) -> None:
        if self._file is None:
            self.texts.setdefault(self._name, []).append(self._decoded_text())
        elif self._size == 0 and not self._has_file_name:
            self._file.discard()  # an HTML form sends this for a field nobody chose a file for
        else:
            self.files.setdefault(self._name, []).append(self._file.finish())

    def _decoded_text(self) -> str:
        try:
            return self._text.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise InvalidRequestError("the value is not UTF-8").at(self._name) from exc

    def _end(self) -> None:
        self.complete = True
