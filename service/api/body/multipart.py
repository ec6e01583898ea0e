"""Reads a multipart/form-data body while it arrives, within limits, into plain fields.

Files stay in memory: the body is bounded, and nothing a client sends touches the disk.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

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

_FILE_NAMES = frozenset({b"filename", b"filename*"})
_FILE_FIELDS = frozenset({"archive", "images", "masks"})
_MAX_TEXT_BYTES = 4096
_MAX_PARTS = 300  # all files, 255 classes, and a few more


class BodyLimits(NamedTuple):
    """What a body may hold; files are counted for each field."""

    max_bytes: int
    max_files: int


class FormFields(NamedTuple):
    """Values by field name, each in order of arrival."""

    texts: dict[str, list[str]]
    files: dict[str, list[bytes]]


async def read_form(
    stream: AsyncIterator[bytes], content_type: str, limits: BodyLimits
) -> FormFields:
    """Parse a body as it arrives; stops at the first chunk that breaks a limit.

    Raises:
        UnsupportedMediaTypeError, MalformedBodyError, BodyTooLargeError, TooManyFilesError,
        InvalidRequestError: a text field is too long or not UTF-8.
    """
    collector = Collector(limits.max_files)
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
        parser = MultipartParser(_boundary(content_type), collector.callbacks())
        async for chunk in stream:
            received += len(chunk)
            if received > max_bytes:
                raise BodyTooLargeError(f"the body exceeds {max_bytes} bytes")
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


class Collector:
    """Gathers parts from the parser's callbacks."""

    def __init__(self, max_files: int, max_parts: int = _MAX_PARTS) -> None:
        self.texts: dict[str, list[str]] = {}
        self.files: dict[str, list[bytes]] = {}
        self.complete = False
        self._max_files = max_files
        self._max_parts = max_parts
        self._parts = 0
        self._texts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._name = ""
        self._file_name = ""
        self._is_file = False
        self._size = 0
        self._data = bytearray()

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
        self._data = bytearray()

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
        self._is_file = not _FILE_NAMES.isdisjoint(parameters)
        self._file_name = parameters.get(b"filename", b"").decode("utf-8", "replace")
        if not self._is_file and self._name in _FILE_FIELDS:
            raise InvalidFieldsError([(self._name, "must be a file: its part needs a filename")])
        self._make_room()

    def _make_room(self) -> None:
        """Count the part that begins, before any of its data is kept."""
        self._parts += 1
        if self._parts > self._max_parts:
            raise InvalidRequestError(f"the body has more than {self._max_parts} parts")
        self._texts += not self._is_file
        if self._texts > _MAX_PARTS:  # they are in memory, wherever files are
            raise InvalidRequestError(f"the body has more than {_MAX_PARTS} text fields")
        if self._is_file and len(self.files.get(self._name, ())) == self._max_files:
            raise TooManyFilesError(f"more than {self._max_files} files").at(self._name)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        self._keep(data[start:end])

    def _keep(self, data: bytes) -> None:
        """Hold on to a piece of the part."""
        self._data += data
        if not self._is_file and len(self._data) > _MAX_TEXT_BYTES:
            raise InvalidRequestError(f"longer than {_MAX_TEXT_BYTES} bytes").at(self._name)

    @property
    def _left_empty(self) -> bool:
        """Whether the part is what an HTML form sends for a file field nobody chose a file for."""
        return self._is_file and not self._file_name and self._size == 0

    def _end_part(self) -> None:
        if self._left_empty:
            return
        if self._is_file:
            self.files.setdefault(self._name, []).append(bytes(self._data))
            return
        try:
            text = self._data.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise InvalidRequestError("the value is not UTF-8").at(self._name) from exc
        self.texts.setdefault(self._name, []).append(text)

    def _end(self) -> None:
        self.complete = True
