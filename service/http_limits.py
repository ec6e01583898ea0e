"""HTTP/1.1 with bounds that uvicorn's fast protocol lacks.

They are on heads, on bodies in tiny pieces, on requests that are sent before the last response, and
on responses that are hardly read.
"""

import asyncio
import fcntl
import struct
import termios

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 128
# Each piece of a chunked body is handled in Python. Clients send kilobytes in one, but for a few.
MAX_TINY_PIECES = 10_000
TINY_BYTES = 64
MAX_STALL_S = 60.0
# Or a byte now and then would hold a response for ever.
MIN_READ_BYTES = 512 * 1024  # in that time
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class TooManyRequestsAheadError(Exception):
    """A client sends more requests than may wait for the responses before theirs."""


class TooManyPiecesError(Exception):
    """A client sends a body in more pieces than it has use for."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection that sends heads or pieces of bodies without end, or hardly reads.

    What arrives is counted until a head (request line, headers or trailers) ends or a piece of a
    body is there, so a head may be larger by one reading from the socket at most. While requests
    wait for the responses before theirs, nothing more is read.
    """

    _unfinished_bytes = 0
    _pieces = 0  # of the body of the request
    _body_bytes = 0
    _unread_at_pause = 0
    _read_bytes = 0  # of responses, since the watch began
    _watch: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The client reads less than it is sent."""
        super().pause_writing()
        self._unread_at_pause = self._unread()
        if self._watch is None:
            self._begin_watch()

    def resume_writing(self) -> None:
        """The client has read most of what it was sent."""
        self._read_bytes += self._unread_at_pause - self._unread()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _begin_watch(self) -> None:
        self._read_bytes = 0
        self._watch = self.loop.call_later(MAX_STALL_S, self._end_watch)

    def _end_watch(self) -> None:
        """Free what the client hardly reads; closing would wait until it has."""
        self._watch = None
        if not self.flow.write_paused:
            return
        unread = self._unread()
        if self._read_bytes + self._unread_at_pause - unread < MIN_READ_BYTES:
            self.transport.abort()
        else:
            self._unread_at_pause = unread
            self._begin_watch()

    def _unread(self) -> int:
        """Bytes that the client has not acknowledged: here, and in the system's own buffer.

        The system takes more only once a third of its buffer, which may be megabytes, is free.
        """
        try:
            socket = self.transport.get_extra_info("socket")
            (sent,) = struct.unpack("i", fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4)))
        except OSError:
            sent = 0
        return self.transport.get_write_buffer_size() + int(sent)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has ended; spaces behind its value are none of it (RFC 9110, section 5.5)."""
        super().on_header(name, value.rstrip(b" \t"))

    def _unsupported_upgrade_warning(self) -> None:
        """Anybody may ask for a WebSocket; uvicorn would advise to install a library for it."""

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and give up on a head that does not end."""
        self._unfinished_bytes += len(data)
        super().data_received(data)
        if self._unfinished_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._unfinished_bytes = self._pieces = self._body_bytes = 0
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            raise TooManyRequestsAheadError  # the parser ends, and with it the connection

    def on_response_complete(self) -> None:
        """A response has been written."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def on_body(self, body: bytes) -> None:
        """A piece of a body is there."""
        self._unfinished_bytes = 0
        self._pieces += 1
        self._body_bytes += len(body)
        if self._pieces > MAX_TINY_PIECES and self._body_bytes < TINY_BYTES * self._pieces:
            raise TooManyPiecesError  # the parser ends, and with it the connection
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has ended."""
        self._unfinished_bytes = 0
        super().on_message_complete()
