"""`python -m service`: serve, or print the OpenAPI document."""

import argparse
import json
import sys
from collections.abc import Sequence

import uvicorn
from pydantic import ValidationError

from model.contract import InvalidBundleError
from service.app import create_app
from service.settings import Settings
from service.telemetry import configure_logging

_USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    command = _parse(arguments).command
    try:
        settings = Settings()
        return _print_openapi() if command == "openapi" else _serve(settings)
    except (ValidationError, InvalidBundleError) as exc:
        print(f"the service cannot start: {exc}", file=sys.stderr)
        return _USAGE_ERROR


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument(
        "command",
        nargs="?",
        default="serve",
        choices=("serve", "openapi"),
        help="serve (default): listen on FSS_HOST and FSS_PORT; openapi: print the document",
    )
    return parser.parse_args(arguments)


def _serve(settings: Settings) -> int:
    configure_logging(settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_s,
    )
    uvicorn.Server(config).run()
    return 0


def _print_openapi() -> int:
    document = create_app(Settings(engine="fake")).openapi()
    print(json.dumps(document, indent=2, ensure_ascii=False))
    return 0
