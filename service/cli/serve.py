"""`fss serve`, and what belongs to it: the OpenAPI document and API keys."""

import errno
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer

from service.cli.failure import USAGE, CommandError, field_messages


def serve() -> None:
    """Listen on FSS_HOST and FSS_PORT; every setting is an FSS_* variable of the environment."""
    # Unhandled, SIGHUP would end it. Until it listens there is nothing to read again.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from service.app import create_app
    from service.environment import read_settings
    from service.server import create_server
    from service.telemetry import configure_logging

    with startup_errors_as_messages():
        settings = read_settings()
        configure_logging(settings.log_level)
        server = create_server(create_app(settings), settings)
    _require_free_port(settings.host, settings.port)
    server.run()


def _require_free_port(host: str, port: int) -> None:
    """Fail before a network is loaded where another program listens; the server finds the rest."""
    with suppress(socket.gaierror):
        for family, *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            if _in_use(family, address):
                raise CommandError(f"port {port} of {host} is in use; set FSS_PORT to another")


def _in_use(family: int, address: tuple[Any, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server does: what is left of connections does not count, nor IPv4 for IPv6.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    except OSError as exc:
        return exc.errno == errno.EADDRINUSE
    return False


def openapi() -> None:
    """Print the OpenAPI document."""
    from service.app import create_app
    from service.environment import read_settings
    from service.settings import Settings

    with startup_errors_as_messages():
        read_settings()
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


@contextmanager
def startup_errors_as_messages() -> Iterator[None]:
    """Raise `CommandError` for wrong settings and what they name within the block."""
    from pydantic import ValidationError

    from model.contract import BundleKeyError, InvalidBundleError, MissingTierError
    from service.access import KeyFileError
    from service.environment import UnknownSettingError
    from service.jobs import JobsDirectoryError
    from service.telemetry import TracingError

    try:
        yield
    except ValidationError as exc:
        wrong = field_messages(exc, lambda name: f"FSS_{name.upper()}")
        raise CommandError(f"the service cannot start: {'; '.join(wrong)}", USAGE) from exc
    except (UnknownSettingError, InvalidBundleError, MissingTierError) as exc:
        raise CommandError(f"the service cannot start: {exc}", USAGE) from exc
    except BundleKeyError as exc:
        raise CommandError(f"the service cannot start: FSS_BUNDLE_KEY: {exc}", USAGE) from exc
    except TracingError as exc:
        raise CommandError(f"the service cannot start: OTEL_*: {exc}", USAGE) from exc
    except KeyFileError as exc:
        message = f"the service cannot start: FSS_API_KEYS_FILE: {exc}"
        raise CommandError(message, USAGE) from exc
    except JobsDirectoryError as exc:
        message = f"the service cannot start: FSS_JOBS_DIR: {exc}"
        raise CommandError(message, USAGE) from exc
