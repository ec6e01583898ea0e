"""What ends a run; a broken image does not."""


class OfflineError(Exception):
    """The message says what is wrong, and what to do."""
