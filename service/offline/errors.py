"""What ends a run; a broken image does not."""


class OfflineError(Exception):
    """The message says what is wrong, and what to do."""


class RunFailedError(OfflineError):
    """Nothing is wrong with what was asked for; the same may work another time or elsewhere."""
