"""The error that ends a command with a message."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

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
def client_errors_as_messages(out: Path | None = None) -> Iterator[None]:
    """Raise `CommandError` for errors of inputs, the client and the disk within the block.

    `out` is where it writes: the error of a full disk does not say where.
    """
    from service.client import ClientError
    from service.client.errors import InvalidInputError
    from service.image_files import UnusableInputError

    try:
        yield
    except InvalidInputError as exc:
        location = "" if exc.location is None else f"{exc.location}: "
        raise CommandError(f"{location}{exc}", USAGE) from exc
    except UnusableInputError as exc:
        raise CommandError(str(exc), USAGE) from exc
    except ClientError as exc:
        raise CommandError(str(exc)) from exc
    except OSError as exc:
        place = exc.filename or out
        path = "" if place is None else f"{place}: "
        raise CommandError(f"{path}{exc.strerror or exc}") from exc


def field_messages(error: "ValidationError", shown: Callable[[str], str] = str) -> list[str]:
    """What is wrong with each field, without its value, which may be a secret.

    Args:
        error: of a model.
        shown: gives a field the name by which users know it.
    """
    told = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [(each["loc"], each["msg"].removeprefix("Value error, ")) for each in told]
    return [f"{shown(str(place[0]))}: {text}" if place else text for place, text in texts]
