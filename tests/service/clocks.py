"""Clocks for tests."""


class ManualClock:
    """Stands still at `now`, in seconds, until a test moves it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
