"""Ways to damage a file: blind ones, and ones that know where a format keeps its figures."""

import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np

Mutation = Callable[[bytes, bytes, np.random.Generator], bytes]

_EXTREMES = (
    *(0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF),
    *(0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF),
)
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def mutate(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to four damages in a row; `other` is a file to take parts from."""
    for _ in range(int(rng.integers(1, 5))):
        data = MUTATIONS[int(rng.integers(len(MUTATIONS)))](data, other, rng)
    # What fails its checksum is refused before any decoder sees it, so most are made right again.
    return with_right_checksums(data) if rng.random() < 0.8 else data


def _somewhere(data: bytes, rng: np.random.Generator) -> int:
    """A position; headers are short and matter most, so half of the time it lies there."""
    reach = len(data) if rng.random() < 0.5 else min(len(data), 160)
    return int(rng.integers(max(1, reach)))


def _flip_bits(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _bit in range(int(rng.integers(1, 9)) if changed else 0):
        changed[_somewhere(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _truncate(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data) + 1))]


def _remove(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    start = _somewhere(data, rng)
    return data[:start] + data[start + int(rng.integers(1, 64)) :]


def _duplicate(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    start = _somewhere(data, rng)
    part = data[start : start + int(rng.integers(1, 256))]
    return data[:start] + part * int(rng.integers(2, 6)) + data[start + len(part) :]


def _splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data) + 1))] + other[int(rng.integers(len(other) + 1)) :]


def _overwrite_figure(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """A field of 1, 2 or 4 bytes, such as a length, takes an extreme value."""
    order = "<>"[int(rng.integers(2))]
    code, size = (("B", 1), ("H", 2), ("I", 4))[int(rng.integers(3))]
    value = _extreme(rng) & ((1 << 8 * size) - 1)
    return _put(data, _somewhere(data, rng), struct.pack(order + code, value))


def _resize(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """The header announces another height and width."""
    height, width = _extreme(rng), _extreme(rng)
    if data.startswith(_PNG_MAGIC):
        return _put(data, 16, struct.pack(">II", width, height))
    if data.startswith(b"BM"):
        return _put(data, 18, struct.pack("<II", width, height))
    if data.startswith(b"\xff\xd8"):
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        sizes = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
        return _put(data, frame + 5, sizes) if frame >= 0 else data
    if data.startswith(b"RIFF"):
        return _put(data, 20 + int(rng.integers(12)), struct.pack("<I", width))
    for tag, value in ((256, width), (257, height)):
        data = _with_entry(data, tag, value)
    return data


def _with_entry(data: bytes, tag: int, value: int) -> bytes:
    """A TIFF whose field of that tag is one 32-bit number."""
    order = ">" if data.startswith(b"MM") else "<"
    at = data.find(struct.pack(order + "H", tag))
    return _put(data, at, struct.pack(order + "HHII", tag, 4, 1, value)) if at >= 0 else data


def _change_entry(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """One field of a TIFF gets another type, number of values, or value."""
    order = ">" if data.startswith(b"MM") else "<"
    tags = np.concatenate([np.arange(254, 348), [529, 530, 531, 532, 34712]])
    at = data.find(struct.pack(order + "H", int(rng.choice(tags))))
    if at < 0 or data[:2] not in (b"II", b"MM"):
        return data
    places = ((2, "H", int(rng.integers(0, 20))), (4, "I", _extreme(rng)), (8, "I", _extreme(rng)))
    place, code, value = places[int(rng.integers(3))]
    return _put(data, at + place, struct.pack(order + code, value))


def _shuffle_parts(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Chunks or segments, whole: one comes twice, one goes, two change places, one is foreign."""
    head, parts = _parts(data)
    _, foreign = _parts(other)
    if len(parts) < 2:
        return data
    first, second = (int(position) for position in rng.integers(len(parts), size=2))
    kind = int(rng.integers(4))
    if kind == 0:
        parts.insert(first, parts[second])
    elif kind == 1:
        del parts[first]
    elif kind == 2:
        parts[first], parts[second] = parts[second], parts[first]
    elif foreign:
        parts.insert(first, foreign[int(rng.integers(len(foreign)))])
    body = b"".join(parts)
    if head[:4] == b"RIFF":
        head = _put(head, 4, struct.pack("<I", len(body) + 4))
    return head + body


def _parts(data: bytes) -> tuple[bytes, list[bytes]]:
    """What comes before, and the chunks of a PNG or WebP file or the segments of a JPEG file."""
    if data.startswith(_PNG_MAGIC):
        return data[:8], _cut(data, 8, lambda at: 12 + int.from_bytes(data[at : at + 4], "big"))
    if data.startswith(b"RIFF"):
        return data[:12], _cut(
            data, 12, lambda at: 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2
        )
    if data.startswith(b"\xff\xd8"):
        return data[:2], _cut(data, 2, lambda at: 2 + int.from_bytes(data[at + 2 : at + 4], "big"))
    return data, []


def _cut(data: bytes, start: int, length: Callable[[int], int]) -> list[bytes]:
    parts: list[bytes] = []
    while start < len(data) and len(parts) < 100:
        end = start + length(start)
        parts.append(data[start:end])
        start = end
    return parts


def with_right_checksums(data: bytes) -> bytes:
    """A PNG whose chunks all carry the checksum of what they hold; any other file as it is."""
    head, chunks = _parts(data)
    if not data.startswith(_PNG_MAGIC):
        return data
    right = [
        chunk[:-4] + struct.pack(">I", zlib.crc32(chunk[4:-4])) if len(chunk) >= 12 else chunk
        for chunk in chunks
    ]
    return head + b"".join(right)


def _repack_pixels(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """A PNG whose inflated rows are damaged and packed again: filters, and how many there are."""
    head, chunks = _parts(data)
    pixels = b"".join(chunk[8:-4] for chunk in chunks if chunk[4:8] == b"IDAT")
    try:
        rows = bytearray(zlib.decompressobj().decompress(pixels, 1 << 16))
    except zlib.error:
        return data
    if not data.startswith(_PNG_MAGIC) or not rows:
        return data
    rows[int(rng.integers(len(rows)))] = int(rng.integers(256))
    content = zlib.compress(bytes(rows[: int(rng.integers(1, len(rows) + 1))]))
    framed = struct.pack(">I", len(content)) + b"IDAT" + content + bytes(4)
    kept = [chunk for chunk in chunks if chunk[4:8] != b"IDAT"]
    return head + b"".join([*kept[:-1], framed, *kept[-1:]])


def _extreme(rng: np.random.Generator) -> int:
    return _EXTREMES[int(rng.integers(len(_EXTREMES)))]


def _put(data: bytes, at: int, field: bytes) -> bytes:
    """Overwrite bytes; the length stays."""
    return (data[:at] + field + data[at + len(field) :])[: len(data)]


MUTATIONS: Sequence[Mutation] = (
    _flip_bits,
    _truncate,
    _remove,
    _duplicate,
    _splice,
    _overwrite_figure,
    _resize,
    _change_entry,
    _shuffle_parts,
    _repack_pixels,
)
