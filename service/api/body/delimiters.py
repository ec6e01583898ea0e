"""A bound on what a multipart body may cost its parser."""

from service.errors import InvalidRequestError, MalformedBodyError


class Delimiters:
    """Bounds the boundaries in a body, before the parser sees them.

    Behind each the parser goes on byte by byte in Python, for as long as blanks follow, and also
    where it turns out to begin no part: a body full of those would take seconds of the event loop.
    Files never hold any (RFC 2046, section 5.1.1), and only other transports than HTTP add blanks.
    """

    def __init__(self, boundary: bytes, max_parts: int) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._padded = (self._delimiter + b" ", self._delimiter + b"\t")
        self._max_parts = max_parts
        self._found = 0
        self._end = b"\r\n"  # of what was counted; the first boundary is mostly the first line

    def count(self, chunk: bytes) -> None:
        """Count the boundaries that have a byte of a chunk behind them.

        Raises:
            InvalidRequestError: there are more than the most parts and their end have.
            MalformedBodyError: a blank follows one.
        """
        uncounted = self._end + chunk
        found = uncounted.count(self._delimiter, 0, -1)
        self._found += found
        self._end = uncounted[-len(self._delimiter) :]
        if self._found > self._max_parts + 1:
            raise InvalidRequestError(f"the body has more than {self._max_parts} parts")
        if found and any(padded in uncounted for padded in self._padded):
            raise MalformedBodyError("a boundary has blanks behind it")
