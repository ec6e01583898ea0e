"""How SIGINT and SIGTERM end long commands: at once, or between two steps."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # exit status of a command that Ctrl-C ended, as of a shell


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Inside, both signals wait: what this gives says whether one has come."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    with _handling(note, signal.SIGINT, signal.SIGTERM):
        yield lambda: bool(came)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt, as SIGINT does.

    Ended by SIGTERM itself, a process would leave its workers and a half-written cache behind.
    """
    with _handling(signal.default_int_handler, signal.SIGTERM):
        yield


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], object], *numbers: signal.Signals
) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
