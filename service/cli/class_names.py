"""Names of classes as files and people give them."""

import unicodedata

from service.cli.failure import USAGE, CommandError


def class_name(text: str) -> str:
    """As the service calls the class: in NFC, where macOS takes accents off letters in file names.

    Raises:
        CommandError: it comes from bytes that are no text.
    """
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        message = f"{text!r} cannot be the name of a class: it is not UTF-8"
        raise CommandError(message, USAGE) from exc
    return unicodedata.normalize("NFC", text)
