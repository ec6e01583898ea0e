"""The logic between a call and its result without its I/O, which transports perform step by step.

A flow is a generator of steps; it is sent the result of each step, and errors are thrown into it.
So retries, splitting and parsing are written once for the blocking and the asynchronous client.
"""

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
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
    UnexpectedAnswerError,
    error_of,
)
from service.client.results import Segmentation
from service.client.retries import Attempts, Contact, Retries
from service.image_files import ImageLike

T = TypeVar("T")


@dataclass(frozen=True)
class RunBlocking:
    """A call that blocks on processor or disk; its result is sent back."""

    run: Callable[[], Any]


@dataclass(frozen=True)
class SendRequest:
    """A request; its response, or the error of the transport, is sent back."""

    call: Call[Any]


@dataclass(frozen=True)
class StreamResponse:
    """A request whose response is streamed to `take`, until that returns True.

    The response, with its body read only if it is an error, or the error of the transport is sent
    back.
    """

    call: Call[Any]
    take: Callable[[bytes], bool]


@dataclass(frozen=True)
class Pause:
    """A wait; None is sent back."""

    seconds: float


Step = RunBlocking | SendRequest | StreamResponse | Pause
Flow = Generator[Step, Any, T]
Outcome = tuple[ImageLike, Segmentation | ClientError]


def exchange(
    describe: Callable[[], Call[T]], retries: Retries, contact: Contact | None = None
) -> Flow[T]:
    """Send a request, and repeat it until it succeeds or a retry is of no use.

    Args:
        describe: what is sent.
        retries: when it is repeated.
        contact: of the requests of which it is one; None: a service that is away is not waited for.

    Raises:
        ClientError: see `service.client.errors`.
    """
    call: Call[T] = yield RunBlocking(describe)
    attempts = Attempts(retries, contact)
    try:
        while True:
            outcome = yield SendRequest(call)
            attempt = attempts.count(outcome)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                break
            yield pause_or_raise(call, attempt, outcome, retries)
    finally:
        if call.open_file is not None:
            call.open_file.close()
    result: T = yield RunBlocking(partial(call.read, outcome))
    return result


def pause_or_raise(
    call: Call[Any], attempt: int, outcome: httpx.Response | httpx.RequestError, retries: Retries
) -> Pause:
    """The wait before the next attempt, after one that failed.

    Raises:
        ClientError: a retry is of no use.
    """
    wait_s = retries.wait_s(attempt, outcome, repeatable=call.may_be_repeated(outcome))
    if wait_s is not None:
        return Pause(wait_s)
    if isinstance(outcome, httpx.Response):
        raise error_of(outcome)
    if isinstance(outcome, httpx.DecodingError):
        raise UnexpectedAnswerError(
            f"the response of {_address(outcome)} is not compressed as it says: {outcome}"
        ) from outcome
    raise ConnectionFailedError(_what_failed(outcome)) from outcome


def segment_batch(
    images: Sequence[ImageLike],
    describe: Callable[[Sequence[ImageLike]], Call[list[Segmentation]]],
    retries: Retries,
    contact: Contact,
) -> Flow[list[Outcome]]:
    """The outcome of each image, in order; one that is invalid or too slow does not fail others.

    Raises:
        ClientError: a failure that is not about a single image.
    """
    proceed = partial(segment_batch, describe=describe, retries=retries, contact=contact)
    try:
        found = yield from exchange(partial(describe, images), retries, contact)
    except (BodyTooLargeError, TooManyFilesError, DeadlineExceededError) as exc:
        if len(images) == 1:
            return [(images[0], exc)]
        half = len(images) // 2
        first = yield from proceed(images[:half])
        if half > 1 and all(isinstance(each, DeadlineExceededError) for _, each in first):
            raise  # the service is stuck rather than the images slow: give up
        return first + (yield from proceed(images[half:]))
    except (InvalidFileError, InvalidInputError) as exc:
        bad = _position(exc.location)
        if bad is None or bad >= len(images):
            raise
        before, after = images[:bad], images[bad + 1 :]
        outcomes: list[Outcome] = []
        if before:
            outcomes += yield from proceed(before)
        outcomes.append((images[bad], exc))
        if after:
            outcomes += yield from proceed(after)
        return outcomes
    return list(zip(images, found, strict=True))


def _position(location: str | None) -> int | None:
    match = re.fullmatch(r"images\[(\d+)\]", location or "")
    return None if match is None else int(match[1])


def _address(error: httpx.RequestError) -> str:
    """Of the service, without the user and password that its URL may hold."""
    url = error.request.url
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _what_failed(error: httpx.RequestError) -> str:
    address = _address(error)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"nothing answers at {address}: {error}"
    if isinstance(error, httpx.TimeoutException):
        return f"{address} did not answer in time"
    return f"the connection to {address} broke: {error}"
