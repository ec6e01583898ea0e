"""The first directory of a TIFF structure, which TIFF files and EXIF blocks share.

Values are left where they are: an entry is read, what it points to is not. A directory of
overlapping values, each as large as the file, would otherwise cost entries times file size.
"""

import struct
from typing import NamedTuple

ORIENTATION_TAG = 274

_CLASSIC, _BIG = 42, 43
_SHORT, _LONG, _LONG8 = 3, 4, 16
_ONE_BYTE, _TWO_BYTES, _FOUR_BYTES, _EIGHT_BYTES = (1, 2, 6, 7), (3, 8), (4, 9, 11, 13), (5, 10, 12)
_KIND_BYTES = (
    dict.fromkeys(_ONE_BYTE, 1)
    | dict.fromkeys(_TWO_BYTES, 2)
    | dict.fromkeys(_FOUR_BYTES, 4)
    | dict.fromkeys((*_EIGHT_BYTES, 16, 17, 18), 8)
)
_INTEGER_FORMATS = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}
_MAX_ENTRIES = 0xFFFF


class DirectoryError(ValueError):
    """The bytes hold no complete TIFF directory."""


class Entry(NamedTuple):
    """One field: its tag, value type, number of values, and the value or the offset to it."""

    tag: int
    kind: int
    length: int
    field: bytes

    @property
    def value_bytes(self) -> int:
        """Bytes of the value, in the field or where it points; 0 for an unknown type."""
        return _KIND_BYTES.get(self.kind, 0) * self.length


class Directory(NamedTuple):
    """Where the directory lies (bytes from the start), how it is written, and its entries."""

    order: str
    big: bool
    offset: int
    entries: tuple[Entry, ...]

    def integer(self, tag: int) -> int | None:
        """The first value of an unsigned integer field; None where it is absent or not inline."""
        for entry in self.entries:
            if entry.tag == tag:
                return self._first_integer(entry)
        return None

    def offset_of(self, entry: Entry) -> int | None:
        """Where a value lies when it is too long for its field; None when it is inline."""
        if entry.value_bytes <= len(entry.field):
            return None
        return self._unpack("Q" if self.big else "I", entry.field)

    def packed(self, entries: list[Entry]) -> bytes:
        """The bytes of a directory with these entries alone and no directory after it."""
        layout = _entry_layout(self.order, self.big)
        count = struct.pack(self.order + ("Q" if self.big else "H"), len(entries))
        no_next = bytes(8 if self.big else 4)
        return count + b"".join(layout.pack(*entry) for entry in entries) + no_next

    def _first_integer(self, entry: Entry) -> int | None:
        code = _INTEGER_FORMATS.get(entry.kind)
        if code is None or entry.length < 1 or entry.value_bytes > len(entry.field):
            return None
        return self._unpack(code, entry.field)

    def _unpack(self, code: str, field: bytes) -> int:
        return int(struct.unpack_from(self.order + code, field)[0])


def read_directory(data: bytes) -> Directory:
    """Read the first directory of a classic or big TIFF structure.

    Raises:
        DirectoryError: no such structure, or it ends before its directory does.
    """
    try:
        order = {b"II": "<", b"MM": ">"}[data[:2]]
        big = {_CLASSIC: False, _BIG: True}[struct.unpack_from(order + "H", data, 2)[0]]
        (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
    except (KeyError, struct.error, OverflowError) as exc:
        raise DirectoryError("not a TIFF structure") from exc
    layout = _entry_layout(order, big)
    start = offset + (8 if big else 2)
    if count > _MAX_ENTRIES or start + count * layout.size > len(data):
        raise DirectoryError("the TIFF directory is cut off")
    fields = layout.iter_unpack(data[start : start + count * layout.size])
    return Directory(order, big, offset, tuple(Entry(*values) for values in fields))


def exif_orientation(block: bytes) -> int:
    """Orientation 1 to 8 of an EXIF block; 1 when it has none or cannot be read, as viewers do."""
    try:
        orientation = read_directory(block.removeprefix(b"Exif\0\0")).integer(ORIENTATION_TAG)
    except DirectoryError:
        return 1
    return valid_orientation(orientation)


def valid_orientation(value: int | None) -> int:
    """The value when it is one of the eight orientations, else 1."""
    return value if value is not None and 1 <= value <= 8 else 1


def _entry_layout(order: str, big: bool) -> struct.Struct:
    return struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
