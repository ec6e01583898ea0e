"""Raw HTTP/1.1 over asyncio: requests are bytes made beforehand, so that a client costs little."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import httpx

HOST = "127.0.0.1"
_END_OF_HEAD = b"\r\n\r\n"


class LostError(Exception):
    """No whole answer came: the connection broke or time ran out."""


class Body(NamedTuple):
    """A body and its media type."""

    media_type: str
    content: bytes


class Reply(NamedTuple):
    """An answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def form(fields: Mapping[str, str], files: Sequence[tuple[str, bytes]]) -> Body:
    """A multipart body of text fields and of files by field name."""
    request = httpx.Request(
        "POST",
        f"http://{HOST}",
        data=fields,
        files=[(name, (f"{name}-{i}", content)) for i, (name, content) in enumerate(files)],
    )
    return Body(request.headers["content-type"], request.read())


def request(
    method: str, path: str, body: Body | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """All bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    content = b""
    if body is not None:
        lines += [f"Content-Type: {body.media_type}", f"Content-Length: {len(body.content)}"]
        content = body.content
    return "\r\n".join(lines).encode("latin-1") + _END_OF_HEAD + content


class Connection:
    """One keep-alive connection, opened when first needed and again after it broke.

    Args:
        port: of the service on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes, *, timeout_s: float) -> Reply:
        """Send a request and read its answer.

        Raises:
            LostError: no whole answer within the time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(request)
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError, ValueError) as exc:
            self.close()
            raise LostError(f"{type(exc).__name__}: {exc}") from exc
        except asyncio.CancelledError:
            self.close()  # its answer may still come and would be taken for the next one
            raise

    async def _exchange(self, request: bytes) -> Reply:
        reader, writer = await self._open()
        # Not drained: the service may answer, and refuse, before it has read the body.
        writer.write(request)
        status, headers = _parse_head(await reader.readuntil(_END_OF_HEAD))
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Reply(status, headers, body)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()  # idle for too long, or the service is another process by now
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port)
        return self._streams

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].transport.abort()  # no answer is waited for any more
            self._streams = None


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}
