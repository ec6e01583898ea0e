"""Parses the server-sent events (HTML Standard, 9.2) of a job.

As far as this service sends them: an event has one line of data.
"""

from collections.abc import Callable

from pydantic import ValidationError

from service.client.errors import UnexpectedAnswerError
from service.schemas import JobResponse


class JobEvents:
    """Parses the events of a job, over several streams if one breaks off.

    Args:
        on_progress: called with the job of each event.

    Attributes:
        job: of the last event.
        ended: whether that was the event `end`.
        seen: id of the last event, for the header `Last-Event-ID`.
    """

    def __init__(self, on_progress: Callable[[JobResponse], None]) -> None:
        self.job: JobResponse | None = None
        self.ended = False
        self.seen: str | None = None
        self._on_progress = on_progress
        self._incomplete_line = b""
        self._fields: dict[bytes, bytes] = {}

    def begin(self) -> None:
        """Begin another stream; an incomplete event of the last one is dropped."""
        self._incomplete_line, self._fields = b"", {}

    def take(self, chunk: bytes) -> bool:
        """Parse the next chunk; returns whether the job has ended.

        Raises:
            UnexpectedAnswerError: an event is not about a job.
        """
        *lines, self._incomplete_line = (self._incomplete_line + chunk).split(b"\n")
        for line in lines:
            self._line(line.rstrip(b"\r"))
        return self.ended

    def _line(self, line: bytes) -> None:
        if line:
            name, _, value = line.partition(b":")
            self._fields[name] = value.removeprefix(b" ")
        elif b"data" in self._fields:
            fields, self._fields = self._fields, {}
            self._event(fields)

    def _event(self, fields: dict[bytes, bytes]) -> None:
        try:
            self.job = JobResponse.model_validate_json(fields[b"data"])
        except ValidationError as exc:
            raise UnexpectedAnswerError("an event is not about a job") from exc
        self.seen = fields.get(b"id", b"").decode("ascii", "replace") or self.seen
        self.ended = fields.get(b"event") == b"end"
        self._on_progress(self.job)
