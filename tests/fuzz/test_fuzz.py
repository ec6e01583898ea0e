"""The decoders keep their word on thousands of hostile files, and the harness would notice."""

import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import CorruptImageError
from tests.fuzz.corpus import seeds
from tests.fuzz.trial import MAX_PIXELS, MOST_MEMORY_BYTES, Decoder, make_case, try_file

CASES = 6000
ROOT = Path(__file__).parents[2]


def test_hostile_files_give_pixels_or_an_error_of_the_service() -> None:
    # In a process of its own: a crash of a C library would end this one without a word.
    command = [sys.executable, "-m", "tests.fuzz", "--cases", str(CASES), "--seed", "1", "--quiet"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stdout + run.stderr[-4000:]
    rows = [line.split() for line in run.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["bmp", "jpeg", "png", "tiff", "webp"]
    assert sum(int(row[1]) for row in rows) == CASES
    for _, files, decoded, *_ in rows:
        assert 0 < int(decoded) < int(files)


def test_every_seed_is_whole() -> None:
    for name, data in seeds().items():
        trial = try_file(0, name, data)
        assert (trial.decoded, trial.complaint) == (True, None), name


def test_a_case_is_the_same_every_time() -> None:
    files = seeds()
    assert make_case(17, 3, files) == make_case(17, 3, files)
    assert len({make_case(number, 3, files)[1] for number in range(50)}) > 45


Decode = Callable[..., NDArray[np.generic]]


def _raises(_: bytes, **__: object) -> NDArray[np.generic]:
    raise KeyError("surprise")


def _warns(_: bytes, **__: object) -> NDArray[np.generic]:
    warnings.warn("odd", stacklevel=1)
    raise CorruptImageError


def _lies(_: bytes, *, max_pixels: int, on_size: Callable[[int], None]) -> NDArray[np.generic]:
    on_size(4)
    return np.zeros((max_pixels, 1), np.bool_)


def _sleeps(_: bytes, **__: object) -> NDArray[np.generic]:
    end = time.thread_time() + 1.1
    while time.thread_time() < end:
        pass
    raise CorruptImageError


def _hoards(_: bytes, **__: object) -> NDArray[np.generic]:
    # From the kernel: an allocation might reuse what others of this process have freed.
    with mmap(-1, 8 * MOST_MEMORY_BYTES) as memory:
        memory.write(bytes(1024) * (len(memory) // 1024))
    raise CorruptImageError


@pytest.mark.parametrize(
    ("decode", "told"),
    [
        (_raises, "KeyError"),
        (_warns, "odd"),
        (_lies, f"{MAX_PIXELS}, 1"),
        (_sleeps, "s of CPU"),
        (_hoards, "MB"),
    ],
)
def test_a_decoder_that_breaks_its_word_is_noticed(decode: Decode, told: str) -> None:
    trial = try_file(0, "png", b"", [Decoder(decode, ())])
    assert trial.complaint is not None
    assert told in trial.complaint
