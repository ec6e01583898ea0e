"""One hostile file against both decoders, and what may not happen."""

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import ServiceError
from service.imaging import decode_image, decode_mask
from tests.fuzz.mutations import mutate

MAX_PIXELS = 200_000
MOST_CPU_S = 1.0
# Of one decoding above what was there before: 120 bytes for each pixel it may have, which covers
# wide pixels, their conversions, and copies of the file.
MOST_MEMORY_BYTES = 24_000_000

_STATUS = Path("/proc/self/status")
_CLEAR_PEAK = "5"


class Decoder(NamedTuple):
    """A function from bytes to pixels, and the axes they have behind height and width."""

    decode: Callable[..., NDArray[np.generic]]
    shape_tail: tuple[int, ...]


def _decode_objects(data: bytes, **options: Any) -> NDArray[np.bool_]:
    return decode_mask(data, **options).objects


DECODERS = (Decoder(decode_image, (3,)), Decoder(_decode_objects, ()))


class Trial(NamedTuple):
    """A case by its number: whether it was decoded, what was wrong, and what it cost."""

    number: int
    seed_name: str
    data: bytes
    decoded: bool
    complaint: str | None
    cpu_s: float
    memory_bytes: int


def make_case(number: int, seed: int, files: dict[str, bytes]) -> tuple[str, bytes]:
    """The file of a number, and the name of the one it was made from; the same every time."""
    rng = np.random.default_rng((seed, number))
    names = sorted(files)
    name, other = (names[int(position)] for position in rng.integers(len(names), size=2))
    return name, mutate(files[name], files[other], rng)


def try_file(
    number: int, seed_name: str, data: bytes, decoders: Sequence[Decoder] = DECODERS
) -> Trial:
    """Decode a file as an image and as a mask."""
    decoded = False
    complaint = None
    before = _reset_peak()
    started = time.thread_time()
    for decode, shape_tail in decoders:
        found = None
        # Recorded, because as errors they would vanish among those that decoders may raise.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = _complaint(decode, data, shape_tail)
                decoded = True
            except ServiceError:
                pass
            except Exception as exc:  # noqa: BLE001 - any other exception is what is looked for
                found = f"{decode.__name__} raised {type(exc).__name__}: {exc}"
        if caught:
            found = found or f"{decode.__name__} warned: {caught[0].message}"
        complaint = complaint or found
    cpu_s = time.thread_time() - started
    memory = max(0, _peak() - before)
    if cpu_s > MOST_CPU_S:
        complaint = complaint or f"took {cpu_s:.2f} s of CPU"
    if memory > MOST_MEMORY_BYTES:
        complaint = complaint or f"took {memory / 1e6:.0f} MB"
    return Trial(number, seed_name, data, decoded, complaint, cpu_s, memory)


def _complaint(
    decode: Callable[..., NDArray[np.generic]], data: bytes, shape_tail: tuple[int, ...]
) -> str | None:
    """What is wrong with the array that comes out, if anything."""
    announced: list[int] = []
    pixels = decode(data, max_pixels=MAX_PIXELS, on_size=announced.append)
    height, width, *tail = pixels.shape
    if tuple(tail) != shape_tail or announced != [height * width]:
        return f"{decode.__name__}: {pixels.shape}, but {announced} pixels were announced"
    if not 0 < height * width <= MAX_PIXELS:
        return f"{decode.__name__}: {height} x {width} pixels exceed the limit"
    return None


def _reset_peak() -> int:
    """Let the peak start again; the resident bytes now."""
    Path("/proc/self/clear_refs").write_text(_CLEAR_PEAK)
    return _field("VmRSS")


def _peak() -> int:
    return _field("VmHWM")


def _field(name: str) -> int:
    """A memory figure of this process in bytes."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
