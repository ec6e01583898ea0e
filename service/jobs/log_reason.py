"""What the log is told of an error."""


def log_reason(exc: Exception) -> str:
    """The type and message of an error; of an `OSError` without the name of the file."""
    message = exc.strerror if isinstance(exc, OSError) else str(exc)
    return ": ".join(filter(None, (type(exc).__name__, message)))
