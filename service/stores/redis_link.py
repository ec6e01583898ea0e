"""Connections to Redis: how long its answers may take, and what is told of those that fail."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError, RedisError

from service.errors import StoreUnavailableError
from service.units import MIB

_log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 32
_BYTES_PER_S = 8 * MIB  # the slowest transfer that is waited for
_LARGE_BYTES = MIB
_CODES: dict[type[Exception], str] = {
    NoPermissionError: "NOPERM",
    ReadOnlyError: "READONLY",
    OutOfMemoryError: "OOM",
}
_NAMELESS_CODES = ("MISCONF", "NOREPLICAS", "BUSY")  # for which the client has no class

Answer = list[Any]
Argument = str | int | bytes


class Script(NamedTuple):
    """A script, and what the log calls it."""

    name: str
    call: AsyncScript


class RedisLink:
    """Runs scripts and fetches hashes; every failure is one error.

    An answer may take `timeout_s`, and what moves many bytes a second more for each 8 MiB. Before
    that something small is asked, so a Redis that is away is noticed within `timeout_s`.

    A kind of call that fails is logged once until it fails otherwise or succeeds, and not with
    each request. Kinds are told apart as a Redis that is full, say, still answers some of them.

    Args:
        url: `redis://`, `rediss://` or `unix://`; may hold credentials.
        timeout_s: see above.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._redis = _client(url, timeout_s, _MAX_CONNECTIONS)
        # Readiness must not wait for a connection behind sessions that are being moved.
        self._probe = _client(url, timeout_s, 1)
        self._logged_reasons: dict[str, str] = {}  # by kind of call

    def script(self, name: str, text: str) -> Script:
        """A script for `run`; nothing is sent."""
        return Script(name, self._redis.register_script(text))

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> Answer:
        """The answer of a script.

        Raises:
            StoreUnavailableError: it may have run, or not.
        """
        nbytes = sum(len(each) for each in arguments if isinstance(each, bytes))
        if nbytes >= _LARGE_BYTES:
            # A Redis that has restarted does not know it, and would be sent all of them twice.
            async with self._answering("load"):
                await self._redis.script_load(script.call.script)
        async with self._answering(script.name, nbytes):
            answer: Answer = await script.call(keys, arguments)
        return answer

    async def probe(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> None:
        """Run a script on a connection that is kept for this.

        Raises:
            StoreUnavailableError.
        """
        async with self._answering(script.name):
            await script.call(keys, arguments, client=self._probe)

    async def read(self, name: str, nbytes: int = 0) -> Mapping[bytes, bytes]:
        """All fields of a hash of about so many bytes; empty if there is none.

        Raises:
            StoreUnavailableError.
        """
        async with self._answering("read", nbytes):
            # Bytes: replies are not decoded, which the annotations of the client do not know.
            fields: Any = await self._redis.hgetall(name)
        return dict(fields)

    async def close(self) -> None:
        """Close all connections; the last call."""
        await self._redis.aclose()
        await self._probe.aclose()

    @asynccontextmanager
    async def _answering(self, call: str, nbytes: int = 0) -> AsyncIterator[None]:
        """A block that makes one kind of call and moves so many bytes, bounded in time.

        Raises:
            StoreUnavailableError.
        """
        try:
            async with asyncio.timeout(self._timeout_s + nbytes / _BYTES_PER_S):
                yield
        except (RedisError, OSError) as exc:
            if isinstance(exc, ReadOnlyError):
                # A demoted primary keeps its connections; new ones go where the address leads now.
                for client in (self._redis, self._probe):
                    await client.connection_pool.disconnect(inuse_connections=False)
            reason = _reason(exc)
            if self._logged_reasons.get(call) != reason:
                _log.warning("store unavailable", extra={"error": reason, "call": call})
            self._logged_reasons[call] = reason
            raise StoreUnavailableError(reason=reason) from exc
        self._logged_reasons.pop(call, None)


def _client(url: str, timeout_s: float, connections: int) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout_s,
        # The client's own bound is one for any answer, of however many bytes: `_answering` has it.
        socket_timeout=None,
        socket_connect_timeout=timeout_s,
        # A write whose answer was lost may have been done: only the caller may repeat it.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    return Redis.from_pool(pool)


def _reason(error: Exception) -> str:
    """The code by which Redis refused, or the kind alone: its texts may quote what was sent."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    code = str(error).partition(" ")[0]
    return code if code in _NAMELESS_CODES else type(error).__name__
