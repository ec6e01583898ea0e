"""Waits for a condition that nothing tells of."""

import time
from collections.abc import Callable

TIMEOUT_S = 20


def until(condition: Callable[[], object]) -> None:
    """Return once a condition holds; fail if it does not within the time of a test."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.001)
