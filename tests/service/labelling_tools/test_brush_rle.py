"""Brush masks against a plain reading of the format, bit by bit."""

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import InvalidRequestError
from service.labelling_tools.brush_rle import decode_brush, encode_brush


def unpacked(rle: list[int]) -> list[int]:
    """The values of a stream, read from a text of bits."""
    bits = "".join(f"{byte:08b}" for byte in rle)
    at = 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    total, value_bits = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeats = take(1)
        length = take(sizes[take(2)]) + 1
        values += (
            [take(value_bits)] * length if repeats else [take(value_bits) for _ in range(length)]
        )
    return values


def literal(values: list[int]) -> list[int]:
    """A stream of runs of single values, as soft edges have them."""
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    for start in range(0, len(values), 8):
        run = values[start : start + 8]
        bits += "000" + f"{len(run) - 1:03b}" + "".join(f"{value:08b}" for value in run)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def some_masks() -> list[NDArray[np.bool_]]:
    noise = np.random.default_rng(3).random((37, 53)) > 0.5
    large = np.zeros((300, 400), np.bool_)
    large[20:290, 1:399] = True
    return [noise, large, np.ones((260, 260), np.bool_), np.zeros((1, 1), np.bool_)]


@pytest.mark.parametrize("mask", some_masks())
def test_what_is_written_reads_as_rgba(mask: NDArray[np.bool_]) -> None:
    rle = encode_brush(mask)
    expected = np.repeat(mask.ravel(), 4) * 255
    assert unpacked(rle) == expected.tolist()
    assert (decode_brush(rle, *mask.shape) == mask).all()


def test_alpha_of_literal_runs_decides() -> None:
    rgba = [9, 9, 9, 127, 0, 0, 0, 128, 255, 255, 255, 0, 1, 2, 3, 255]
    assert decode_brush(literal(rgba), 2, 2).tolist() == [[False, True], [False, True]]


@pytest.mark.parametrize(
    "rle",
    [
        [],
        [1, 2, 3],
        [0, 0, 0, 16],
        encode_brush(np.ones((2, 2), np.bool_))[:-1],
        [255, 255, 255, 255] + [0] * 40,
        [300] * 40,
        [-1] * 40,
        [*literal([0] * 24)[:3], 16, *literal([0] * 24)[4:12]],
    ],
)
def test_broken_streams_are_refused(rle: list[int]) -> None:
    with pytest.raises(InvalidRequestError):
        decode_brush(rle, 2, 2)
