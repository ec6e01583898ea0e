"""Server-sent events of a job (HTML Standard, 9.2), out of bytes as they come."""

from collections.abc import Callable

from pydantic import ValidationError

from service.client.errors import UnexpectedAnswerError
from service.schemas import JobResponse


class JobEvents:
    """Reads the stream of a job, also when it breaks off and comes again.

    Args:
        tell: called with the job whenever it has moved on.

    Attributes:
        job: as the last event had it; `ended`: it was the last one there is.
        seen: id of the last event, to ask for those behind it.
    """

    def __init__(self, tell: Callable[[JobResponse], None]) -> None:
        self.job: JobResponse | None = None
        self.ended = False
        self.seen: str | None = None
        self._tell = tell
        self._rest = b""
        self._fields: dict[bytes, bytes] = {}

    def begin(self) -> None:
        """Another stream comes: what was left of the last one is no event."""
        self._rest, self._fields = b"", {}

    def take(self, chunk: bytes) -> bool:
        """Read on; whether nothing more is to come.

        Raises:
            UnexpectedAnswerError: an event is not about a job.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
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
        self._tell(self.job)
