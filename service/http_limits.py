"""HTTP/1.1 with bounds that uvicorn's fast protocol lacks: of heads, and of unread responses."""

import asyncio
import fcntl
import struct
import termios

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
MAX_STALL_S = 60.0
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose head goes on for too long, or whose responses nobody reads.

    What arrives is counted until a head (request line, headers or trailers) ends or a piece of a
    body is there, so a head may be larger by one reading from the socket at most.
    """

    _unfinished_bytes = 0
    _stall: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The client reads less than it is sent."""
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        """The client has read most of what it was sent."""
        self._end_stall()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._end_stall()
        super().connection_lost(exc)

    def _watch_stall(self) -> None:
        self._end_stall()
        self._stall = self.loop.call_later(MAX_STALL_S, self._abort_if_stalled, self._unread())

    def _abort_if_stalled(self, unread: int) -> None:
        """Free what the client has not read; closing would wait until it has."""
        if self._unread() < unread:
            self._watch_stall()
        else:
            self.transport.abort()

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

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

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
        self._unfinished_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body is there."""
        self._unfinished_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has ended."""
        self._unfinished_bytes = 0
        super().on_message_complete()
