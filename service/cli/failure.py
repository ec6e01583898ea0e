"""How a command says that it cannot do what it was asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FAILED = 1
USAGE = 2


class CommandError(Exception):
    """The message is for the person who typed the command; it is all that is shown.

    Args:
        message: what is wrong, and what to do.
        status: the exit status.
    """

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def asking() -> Iterator[Any]:
    """A block that speaks with a service; its refusals, and those of the disk, become messages."""
    from service.client import ClientError
    from service.client.errors import InvalidInputError

    try:
        yield
    except InvalidInputError as exc:
        place = "" if exc.location is None else f"{exc.location}: "
        raise CommandError(f"{place}{exc}", USAGE) from exc
    except ClientError as exc:
        raise CommandError(str(exc)) from exc
    except OSError as exc:
        place = "" if exc.filename is None else f"{exc.filename}: "
        raise CommandError(f"{place}{exc.strerror or exc}") from exc
