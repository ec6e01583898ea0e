"""Performs the steps of flows, over blocking or asynchronous httpx."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing
from threading import Event
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from service.client.calls import Call
from service.client.connection import TIMEOUT_S, connection
from service.client.errors import ClientError, InvalidInputError
from service.client.exchange import Flow, Pause, SendRequest, Step, StreamResponse, exchange
from service.client.retries import Retries

A = TypeVar("A")
T = TypeVar("T")


class Transport:
    """The connections to one service; may be shared by threads, and is closed by `with` or `close`.

    Args:
        url: of the service; None: `FSS_CLIENT_URL`, else http://127.0.0.1:8000.
        key: an API key; None: `FSS_CLIENT_KEY`, else none is shown.
        timeout_s: until a response begins, and between its chunks; creating a job and fetching its
            results, for which the service processes all images, may take hours.
        retries: what to do when the service is busy or cannot be reached.

    Raises:
        InvalidInputError: the address or the key cannot be one.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: Retries | None = None,
    ) -> None:
        self.retries = retries or Retries()
        self._http = httpx.Client(**connection(url, key, timeout_s))

    def send(self, describe: Callable[[], Call[T]]) -> T:
        """The result of a call of `service.client.calls`, retries included."""
        return self.perform(exchange(describe, self.retries))

    def perform(self, flow: Flow[T], abandoned: Event | None = None) -> T:
        """Perform the steps of a flow; returns its result.

        Raises:
            CancelledError: the flow was to pause after it had been `abandoned`, or while it was.
        """
        abandoned = abandoned or Event()
        with closing(flow):  # also if a step is interrupted
            try:
                step = next(flow)
                while True:
                    try:
                        outcome = self._perform_step(step, abandoned)
                    except ClientError as exc:
                        step = flow.throw(exc)
                    else:
                        step = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result

    def _perform_step(self, step: Step, abandoned: Event) -> Any:
        if isinstance(step, Pause):
            if abandoned.wait(step.seconds):
                raise CancelledError
            return None
        if isinstance(step, SendRequest):
            try:
                return self._http.request(step.call.method, step.call.path, **step.call.arguments)
            except httpx.RequestError as exc:
                return exc
        if isinstance(step, StreamResponse):
            return self._receive(step)
        return step.run()

    def _receive(self, step: StreamResponse) -> httpx.Response | httpx.RequestError:
        call = step.call
        try:
            with self._http.stream(call.method, call.path, **call.arguments) as response:
                if not response.is_success:
                    response.read()
                    return response
                for chunk in response.iter_bytes():
                    if step.take(chunk):
                        break
                return response
        except httpx.RequestError as exc:
            return exc

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncTransport:
    """As `Transport`, to be awaited; closed by `async with` or `close`."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: Retries | None = None,
    ) -> None:
        self.retries = retries or Retries()
        self._http = httpx.AsyncClient(**connection(url, key, timeout_s))

    async def send(self, describe: Callable[[], Call[T]]) -> T:
        """The result of a call of `service.client.calls`, retries included."""
        return await self.perform(exchange(describe, self.retries))

    async def perform(self, flow: Flow[T]) -> T:
        """Perform the steps of a flow; returns its result."""
        with closing(flow):  # also if a step is interrupted
            try:
                step = next(flow)
                while True:
                    try:
                        outcome = await self._perform_step(step)
                    except ClientError as exc:
                        step = flow.throw(exc)
                    else:
                        step = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result

    async def _perform_step(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, SendRequest):
            try:
                return await self._http.request(
                    step.call.method, step.call.path, **step.call.arguments
                )
            except httpx.RequestError as exc:
                return exc
        if isinstance(step, StreamResponse):
            return await self._receive(step)
        # Reading files and decoding masks must not block the event loop.
        return await asyncio.to_thread(step.run)

    async def _receive(self, step: StreamResponse) -> httpx.Response | httpx.RequestError:
        call = step.call
        try:
            async with self._http.stream(call.method, call.path, **call.arguments) as response:
                if not response.is_success:
                    await response.aread()
                    return response
                async for chunk in response.aiter_bytes():
                    if step.take(chunk):
                        break
                return response
        except httpx.RequestError as exc:
            return exc

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def in_order(
    function: Callable[[A, Event], T], items: Iterable[A], workers: int
) -> Generator[T, None, None]:
    """Results in the order of the items, at most `workers` of which are fetched ahead.

    Where there is one worker, none is: the next item is asked for once the last result was taken.
    The function is also given the event that its result is not asked for any more.

    Raises:
        InvalidInputError: there are no workers.
    """
    _require_some(workers)
    abandoned = Event()
    ahead = workers if workers > 1 else 0
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="fss-client") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item, abandoned))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            abandoned.set()
            for future in waiting:
                future.cancel()


async def in_order_async(
    function: Callable[[A], Coroutine[Any, Any, T]], items: Iterable[A], workers: int
) -> AsyncGenerator[T, None]:
    """Results in the order of the items, at most `workers` of which are in progress.

    Raises:
        InvalidInputError: there are no workers.
    """
    _require_some(workers)
    waiting: deque[asyncio.Task[T]] = deque()
    try:
        for item in items:
            waiting.append(asyncio.create_task(function(item)))
            if len(waiting) == workers:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        # Until none of them uses the client, and every exception is retrieved.
        await asyncio.gather(*waiting, return_exceptions=True)


def _require_some(workers: int) -> None:
    if workers < 1:
        raise InvalidInputError(f"concurrency is 1 or more, not {workers}")
