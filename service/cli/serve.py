"""`fss serve`, and what belongs to it: the OpenAPI document and API keys."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.failure import USAGE, CommandError, field_messages

if TYPE_CHECKING:
    from service.settings import Settings


def serve() -> None:
    """Listen on FSS_HOST and FSS_PORT; every setting is an FSS_* variable of the environment."""
    from service.app import create_app
    from service.server import create_server
    from service.telemetry import configure_logging

    with startup_errors_as_messages():
        settings = read_settings(os.environ)
        configure_logging(settings.log_level)
        server = create_server(create_app(settings), settings)
    server.run()


def openapi() -> None:
    """Print the OpenAPI document."""
    from service.app import create_app
    from service.settings import Settings

    with startup_errors_as_messages():
        read_settings(os.environ)
        document = create_app(Settings(engine="fake", jobs_dir=None)).openapi()
    print(json.dumps(document, indent=2, ensure_ascii=False))


def key(
    owner: Annotated[str, typer.Argument(help="Whom sessions made with the key belong to.")],
) -> None:
    """Make an API key and the line that lets it in."""
    from service.access import key_line, new_key

    made = new_key()
    try:
        line = key_line(owner, made)
    except ValueError as exc:
        raise CommandError(str(exc), USAGE) from exc
    print(f"The key, for the client; it is kept nowhere and shown only now:\n{made}")
    print(f"The line for the file that FSS_API_KEYS_FILE names:\n{line}")


def read_settings(environment: Mapping[str, str]) -> "Settings":
    """The settings of the environment.

    Raises:
        CommandError: a name looks like a setting and is none.
        pydantic.ValidationError.
    """
    from service.settings import Settings

    if unknown := unknown_settings(environment):
        raise CommandError(f"the service cannot start: no setting {', '.join(unknown)}", USAGE)
    return Settings()


def unknown_settings(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like settings but are not, such as misspelt ones."""
    from service.client.connection import KEY_VARIABLE, URL_VARIABLE
    from service.settings import Settings

    known = {f"FSS_{name.upper()}" for name in Settings.model_fields} | {KEY_VARIABLE, URL_VARIABLE}
    return sorted(name for name in environment if name.startswith("FSS_") and name not in known)


@contextmanager
def startup_errors_as_messages() -> Iterator[None]:
    """Raise `CommandError` for wrong settings, bundles, keys and directories within the block."""
    from pydantic import ValidationError

    from model.contract import BundleKeyError, InvalidBundleError, MissingTierError
    from service.access import KeyFileError
    from service.jobs import JobsDirectoryError

    try:
        yield
    except ValidationError as exc:
        wrong = field_messages(exc, lambda name: f"FSS_{name.upper()}")
        raise CommandError(f"the service cannot start: {'; '.join(wrong)}", USAGE) from exc
    except (InvalidBundleError, MissingTierError) as exc:
        raise CommandError(f"the service cannot start: {exc}", USAGE) from exc
    except BundleKeyError as exc:
        raise CommandError(f"the service cannot start: FSS_BUNDLE_KEY: {exc}", USAGE) from exc
    except KeyFileError as exc:
        message = f"the service cannot start: FSS_API_KEYS_FILE: {exc}"
        raise CommandError(message, USAGE) from exc
    except JobsDirectoryError as exc:
        message = f"the service cannot start: FSS_JOBS_DIR: {exc}"
        raise CommandError(message, USAGE) from exc
