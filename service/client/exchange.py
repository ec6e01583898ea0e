"""What happens between a call and its result, without doing it: steps that a transport performs.

A flow is a generator of steps; it is sent what each step brought, and errors are thrown into it. So
retries, splitting and reading are written once for the blocking and the asynchronous client.
"""

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

import httpx

from service.client.calls import Call
from service.client.errors import (
    BodyTooLargeError,
    ClientError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidFileError,
    InvalidInputError,
    TooManyFilesError,
    error_of,
)
from service.client.files import ImageLike
from service.client.results import Segmentation
from service.client.retries import Retries

T = TypeVar("T")


@dataclass(frozen=True)
class Work:
    """Something that keeps a processor or a disk busy; brings its result."""

    run: Callable[[], Any]


@dataclass(frozen=True)
class Ask:
    """A request; brings its response, or the error of the transport."""

    call: Call[Any]


@dataclass(frozen=True)
class Receive:
    """A request whose answer is taken piece by piece, until `take` says that it is enough.

    Brings the response, its body read only if it is a refusal, or the error of the transport.
    """

    call: Call[Any]
    take: Callable[[bytes], bool]


@dataclass(frozen=True)
class Pause:
    """Nothing for a while; brings nothing."""

    seconds: float


Step = Work | Ask | Receive | Pause
Flow = Generator[Step, Any, T]
Outcome = tuple[ImageLike, Segmentation | ClientError]


def exchange(describe: Callable[[], Call[T]], retries: Retries) -> Flow[T]:
    """Ask until there is an answer, or until asking again is of no use.

    Raises:
        ClientError: see `service.client.errors`.
    """
    call: Call[T] = yield Work(describe)
    try:
        for attempt in count(1):
            outcome = yield Ask(call)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                break
            yield pause_or_raise(call, attempt, outcome, retries)
    finally:
        if call.held is not None:
            call.held.close()
    result: T = yield Work(partial(call.read, outcome))
    return result


def pause_or_raise(
    call: Call[Any], attempt: int, outcome: httpx.Response | httpx.TransportError, retries: Retries
) -> Pause:
    """What to do about an attempt that failed.

    Raises:
        ClientError: asking again is of no use.
    """
    wait_s = retries.wait_s(attempt, outcome, repeatable=call.repeatable)
    if wait_s is not None:
        return Pause(wait_s)
    if isinstance(outcome, httpx.Response):
        raise error_of(outcome)
    raise ConnectionFailedError(_what_failed(outcome)) from outcome


def segment_batch(
    images: Sequence[ImageLike],
    describe: Callable[[Sequence[ImageLike]], Call[list[Segmentation]]],
    retries: Retries,
) -> Flow[list[Outcome]]:
    """The outcome of each image, in order: one that is of no use, or too slow, spoils no other.

    Raises:
        ClientError: what is not about one image.
    """
    try:
        found = yield from exchange(partial(describe, images), retries)
    except (BodyTooLargeError, TooManyFilesError, DeadlineExceededError) as exc:
        if len(images) == 1:
            return [(images[0], exc)]
        half = len(images) // 2
        first = yield from segment_batch(images[:half], describe, retries)
        if half > 1 and all(isinstance(each, DeadlineExceededError) for _, each in first):
            raise  # not the images are slow: the service is stuck, and more of them do not help
        return first + (yield from segment_batch(images[half:], describe, retries))
    except (InvalidFileError, InvalidInputError) as exc:
        bad = _position(exc.location)
        if bad is None or bad >= len(images):
            raise
        before, after = images[:bad], images[bad + 1 :]
        outcomes: list[Outcome] = []
        if before:
            outcomes += yield from segment_batch(before, describe, retries)
        outcomes.append((images[bad], exc))
        if after:
            outcomes += yield from segment_batch(after, describe, retries)
        return outcomes
    return list(zip(images, found, strict=True))


def _position(location: str | None) -> int | None:
    match = re.fullmatch(r"images\[(\d+)\]", location or "")
    return None if match is None else int(match[1])


def _what_failed(error: httpx.TransportError) -> str:
    url = error.request.url
    address = f"{url.scheme}://{url.netloc.decode('ascii')}"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"nothing answers at {address}: {error}"
    if isinstance(error, httpx.TimeoutException):
        return f"{address} did not answer in time"
    return f"the connection to {address} broke: {error}"
