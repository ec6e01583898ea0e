"""The error that ends a command with a message."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FAILED = 1
USAGE = 2


class CommandError(Exception):
    """Ends a command; the message is for its user, and all that is shown.

    Args:
        message: what is wrong, and what to do.
        status: the exit status.
    """

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def client_errors_as_messages() -> Iterator[Any]:
    """Raise `CommandError` for errors of the client and of the disk within the block."""
    from service.client import ClientError
    from service.client.errors import InvalidInputError

    try:
        yield
    except InvalidInputError as exc:
        location = "" if exc.location is None else f"{exc.location}: "
        raise CommandError(f"{location}{exc}", USAGE) from exc
    except ClientError as exc:
        raise CommandError(str(exc)) from exc
    except OSError as exc:
        path = "" if exc.filename is None else f"{exc.filename}: "
        raise CommandError(f"{path}{exc.strerror or exc}") from exc
