"""The code of the problem that a request is answered with, for whoever counts it at its end."""

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
    """Catch what `note_problem` notes within the block, in this task and those it starts."""
    note = ProblemNote()
    token = _current.set(note)
    try:
        yield note
    finally:
        _current.reset(token)


def note_problem(code: str) -> None:
    """Say which problem the current request is answered with; outside of one, nothing happens."""
    note = _current.get()
    if note is not None:
        note.code = code
