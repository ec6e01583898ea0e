"""The problem code of a response, for the metrics at the end of its request."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class ProblemNote:
    """Holds the code of a request's problem once it has one."""

    __slots__ = ("code",)

    def __init__(self) -> None:
        self.code: str | None = None


_current: ContextVar[ProblemNote | None] = ContextVar("problem_note", default=None)


@contextmanager
def collect_problem() -> Iterator[ProblemNote]:
    """Collect the code of `note_problem` within the block, in this task and those it starts."""
    note = ProblemNote()
    token = _current.set(note)
    try:
        yield note
    finally:
        _current.reset(token)


def note_problem(code: str) -> None:
    """Set the problem code of the current request; does nothing outside of one."""
    note = _current.get()
    if note is not None:
        note.code = code
