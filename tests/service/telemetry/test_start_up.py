"""What a process loads, and the one number that says what it runs."""

import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import service

ROOT = Path(__file__).parents[3]
_PROGRAM = """
import json, sys
from service.app import create_app
from service.settings import Settings
from service.telemetry import configure_logging
create_app(Settings(engine="fake", jobs_dir=None))
configure_logging("info")
import warnings
warnings.warn("broken\\nin two")
parts = ("opentelemetry.sdk", "opentelemetry.exporter", "service.telemetry.tracing")
print(json.dumps([name for name in sys.modules if name.startswith(parts)]))
"""


@cache
def start(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_tracing_is_loaded_only_where_traces_go_somewhere() -> None:
    silent = start()
    assert json.loads(silent.stdout) == []
    traced = start(FSS_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert "opentelemetry.sdk.trace" in json.loads(traced.stdout)


def test_warnings_are_lines_like_all_others() -> None:
    (line,) = start().stderr.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["logger"]) == ("warning", "py.warnings")
    assert "broken\nin two" in entry["event"]


def test_version_is_that_of_the_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert service.__version__ == tomllib.load(file)["project"]["version"]
