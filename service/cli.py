"""`python -m service`: serve, print the OpenAPI document, or make an API key."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence

import typer
from pydantic import ValidationError

from model.contract import InvalidBundleError, MissingTierError
from service.access import KeyFileError, key_line, new_key
from service.app import create_app
from service.planning.commands import COMMANDS, add_commands
from service.server import create_server
from service.settings import Settings
from service.telemetry import configure_logging

_USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        planning = typer.Typer()
        add_commands(planning)
        planning(given, prog_name="python -m service")
    parsed = _parse(given)
    if parsed.command == "key":
        return _print_key(parsed.owner)
    if unknown := _unknown_settings(os.environ):
        print(f"the service cannot start: no setting {', '.join(unknown)}", file=sys.stderr)
        return _USAGE_ERROR
    try:
        return _print_openapi() if parsed.command == "openapi" else _serve(Settings())
    except (ValidationError, InvalidBundleError, MissingTierError) as exc:
        print(f"the service cannot start: {exc}", file=sys.stderr)
    except KeyFileError as exc:
        print(f"the service cannot start: FSS_API_KEYS_FILE: {exc}", file=sys.stderr)
    return _USAGE_ERROR


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="listen on FSS_HOST and FSS_PORT (default)")
    commands.add_parser("openapi", help="print the OpenAPI document")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__)
    key = commands.add_parser("key", help="make an API key and the line that lets it in")
    key.add_argument("owner", metavar="OWNER", help="whom sessions made with the key belong to")
    parser.set_defaults(command="serve")
    return parser.parse_args(arguments)


def _unknown_settings(environment: Mapping[str, str]) -> list[str]:
    """Names that look like settings and are none: misspelt, a key file would be no key file."""
    known = {f"FSS_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith("FSS_") and name not in known)


def _serve(settings: Settings) -> int:
    configure_logging(settings.log_level)
    create_server(create_app(settings), settings).run()
    return 0


def _print_openapi() -> int:
    document = create_app(Settings(engine="fake")).openapi()
    print(json.dumps(document, indent=2, ensure_ascii=False))
    return 0


def _print_key(owner: str) -> int:
    key = new_key()
    try:
        line = key_line(owner, key)
    except ValueError as exc:
        print(exc, file=sys.stderr)
        return _USAGE_ERROR
    print(f"The key, for the client; it is kept nowhere and shown only now:\n{key}")
    print(f"The line for the file that FSS_API_KEYS_FILE names:\n{line}")
    return 0
