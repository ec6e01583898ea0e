"""HTTP/1.1 with bounded heads: uvicorn's fast parser sets no limit of its own."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedHeads(HttpToolsProtocol):
    """Closes a connection whose request line, headers or trailers go on for too long.

    What arrives is counted until a head ends or a piece of a body is there, so a head may be larger
    by one reading from the socket at most.
    """

    _unfinished_bytes = 0

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
