"""Label Studio's run lengths of brush masks: thi.ng/rle-pack over the bytes of an RGBA image.

A stream of bits, high bits first: the number of values (32), the bits of a value less one (5), and
four sizes of run lengths less one (4 each). Then runs: a flag (1), which of the sizes (2), the
length less one, and one value that repeats (flag 1) or as many values as the length (flag 0).
"""

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequestError

_CHANNELS = 4
_VALUE_BITS = 8
_SIZES = (3, 4, 8, 16)
_LONGEST = 1 << _SIZES[-1]
_RUN_BITS = 3 + _SIZES[-1] + _VALUE_BITS
_CHUNK_RUNS = 65536
_HALF = 128


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """Bytes of a mask (H, W): all four channels 255 on the object, 0 elsewhere."""
    flat = mask.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    lengths = np.diff(ends, prepend=0) * _CHANNELS
    pieces = -(-lengths // _LONGEST)
    values = np.repeat(np.where(flat[ends - 1], 255, 0), pieces)
    split = np.full(values.size, _LONGEST)
    split[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * _LONGEST
    bits = [_bits(np.array([_header(flat.size * _CHANNELS)]), np.array([53]), 53)]
    for start in range(0, values.size, _CHUNK_RUNS):
        chunk = slice(start, start + _CHUNK_RUNS)
        bits.append(_run_bits(split[chunk], values[chunk]))
    encoded: list[int] = np.packbits(np.concatenate(bits)).tolist()
    return encoded


def decode_brush(rle: list[int], height: int, width: int) -> NDArray[np.bool_]:
    """The mask (H, W) of a brush: where its alpha is at least one half.

    Time and memory are those of `height * width`, which the caller bounds, and of the list.

    Raises:
        InvalidRequestError: not a stream of this format, or of another size.
    """
    try:
        data = bytes(rle)
    except (TypeError, ValueError) as exc:
        raise InvalidRequestError("a brush region holds numbers that are no bytes") from exc
    if int.from_bytes(data[:4], "big") != height * width * _CHANNELS:
        raise InvalidRequestError("a brush region is not of the size of its image")
    values = _unpack(data, height * width * _CHANNELS)
    return values.reshape(height, width, _CHANNELS)[..., 3] >= _HALF


def _header(count: int) -> int:
    header = count << 5 | _VALUE_BITS - 1
    for size in _SIZES:
        header = header << 4 | size - 1
    return header


def _run_bits(lengths: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.uint8]:
    which = np.searchsorted([1 << size for size in _SIZES[:-1]], lengths)
    sizes = np.array(_SIZES)[which]
    codes = ((0b100 | which) << sizes | lengths - 1) << _VALUE_BITS | values
    return _bits(codes, 3 + sizes + _VALUE_BITS, _RUN_BITS)


def _bits(codes: NDArray[np.int64], sizes: NDArray[np.int64], widest: int) -> NDArray[np.uint8]:
    """The low `sizes` bits of each code, one after another, a bit a byte."""
    places = np.arange(widest - 1, -1, -1)
    matrix = (codes[:, None] >> places & 1).astype(np.uint8)
    bits: NDArray[np.uint8] = matrix[places < sizes[:, None]]
    return bits


class _Reader:
    """Reads bits of bytes, high bits first; fails at their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, bits: int) -> int:
        end = self._at + bits
        if end > 8 * len(self._data):
            raise InvalidRequestError("a brush region ends too early")
        last = -(-end // 8)
        word = int.from_bytes(self._data[self._at // 8 : last], "big")
        self._at = end
        return word >> (8 * last - end) & (1 << bits) - 1

    def take_bytes(self, count: int) -> NDArray[np.uint8]:
        """As many values of 8 bits."""
        # One large number at a time: literal runs are long where edges are soft.
        packed = self.take(_VALUE_BITS * count).to_bytes(count, "big")
        return np.frombuffer(packed, np.uint8)


def _unpack(data: bytes, count: int) -> NDArray[np.uint8]:
    reader = _Reader(data)
    reader.take(32)
    if reader.take(5) + 1 != _VALUE_BITS:
        raise InvalidRequestError("a brush region has values of other than 8 bits")
    sizes = [reader.take(4) + 1 for _ in _SIZES]
    values = np.empty(count, np.uint8)
    at = 0
    while at < count:
        repeats = reader.take(1)
        end = at + reader.take(sizes[reader.take(2)]) + 1
        if end > count:
            raise InvalidRequestError("a brush region is longer than its image")
        values[at:end] = reader.take(_VALUE_BITS) if repeats else reader.take_bytes(end - at)
        at = end
    return values
