"""TIFF: keep the fields that describe the first page's pixels, drop other fields and pages."""

from service.errors import CorruptImageError, UnsupportedImageError
from service.imaging.containers.source import MAX_CHUNKS, Source
from service.imaging.containers.tiff_directory import (
    ORIENTATION_TAG,
    Directory,
    DirectoryError,
    Entry,
    read_directory,
    valid_orientation,
)

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES = 273, 277, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_FILL_ORDER, _PLANAR, _PREDICTOR, _INK_SET = 266, 284, 317, 332
_CHROMA_POSITION = 531
_SCALARS = frozenset(
    {_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT}
    | {_FILL_ORDER, _PLANAR, _PREDICTOR, _INK_SET, _CHROMA_POSITION}
)
_PIECE_LISTS = frozenset({_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES})
# Colour map, extra samples, sample format, JPEG tables; YCbCr coefficients, subsampling, range.
_LISTS = frozenset({_BITS, 320, 338, 339, 347, 529, 530, 532})
_PIXEL_TAGS = _SCALARS | _PIECE_LISTS | _LISTS
_LOSSY_COMPRESSIONS = frozenset({6, 7, 34712, 50001})
# libtiff goes on after errors in these, and prints a line of each.
_FAX_COMPRESSIONS = frozenset({2, 3, 4})
# A decoder allocates a whole tile, however small the image inside it.
_MAX_TILE_PIXELS = 1 << 24


def read(data: bytes) -> Source:
    """Reduce a TIFF or BigTIFF file to its first page.

    Raises:
        CorruptImageError: the directory is cut off, contradictory or absurd.
        UnsupportedImageError: coded as a fax.
    """
    try:
        directory = read_directory(data)
    except DirectoryError as exc:
        raise CorruptImageError("the TIFF directory is broken or missing") from exc
    width, height = directory.integer(_WIDTH), directory.integer(_HEIGHT)
    if not width or not height:
        raise CorruptImageError("the TIFF directory gives no image size")
    if directory.integer(_COMPRESSION) in _FAX_COMPRESSIONS:
        raise UnsupportedImageError("TIFF with fax compression (CCITT) is not supported")
    kept = _pixel_entries(directory, len(data))
    _check_tile(directory)
    packed = directory.packed(kept)
    body = data[: directory.offset] + packed + data[directory.offset + len(packed) :]
    return Source(
        body=body,
        height=height,
        width=width,
        orientation=valid_orientation(directory.integer(ORIENTATION_TAG)),
        lossy=directory.integer(_COMPRESSION) in _LOSSY_COMPRESSIONS,
    )


def _pixel_entries(directory: Directory, file_bytes: int) -> list[Entry]:
    """The entries a decoder needs, each checked, at most one for a tag."""
    kept: dict[int, Entry] = {}
    for entry in directory.entries:
        if entry.tag in _PIXEL_TAGS and entry.tag not in kept:
            _check_entry(directory, entry, file_bytes)
            kept[entry.tag] = entry
    if (directory.integer(_SAMPLES) or 1) == 1:
        # Of one channel it says nothing, but Pillow would decode a plane of its own wrongly.
        kept.pop(_PLANAR, None)
    if sum(entry.value_bytes for entry in kept.values()) > file_bytes:
        raise CorruptImageError("the TIFF fields overlap")
    return [kept[tag] for tag in sorted(kept)]


def _check_entry(directory: Directory, entry: Entry, file_bytes: int) -> None:
    offset = directory.offset_of(entry) or 0
    if entry.value_bytes == 0 or offset + entry.value_bytes > file_bytes:
        raise CorruptImageError(f"TIFF field {entry.tag} lies outside the file")
    if entry.tag in _SCALARS and (entry.length != 1 or directory.integer(entry.tag) is None):
        raise CorruptImageError(f"TIFF field {entry.tag} must be one integer")
    if entry.length > MAX_CHUNKS:
        raise CorruptImageError(f"TIFF field {entry.tag} has too many values")


def _check_tile(directory: Directory) -> None:
    tile_width, tile_height = directory.integer(_TILE_WIDTH), directory.integer(_TILE_HEIGHT)
    if (tile_width or 0) * (tile_height or 0) > _MAX_TILE_PIXELS:
        raise CorruptImageError("the TIFF tiles are too large")
