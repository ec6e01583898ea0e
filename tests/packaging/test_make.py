"""The targets of the Makefile and what they would run."""

import subprocess
import sys
from pathlib import Path

import pytest


def would_run(root: Path, target: str) -> str:
    """The commands of a target, not executed."""
    command = ["make", "--no-print-directory", "--always-make", "--dry-run", target]
    run = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=60)
    return run.stdout


@pytest.mark.parametrize(
    ("target", "requirements", "command"),
    [
        ("demo", "requirements-cpu.txt", "-m service.demo"),
        ("run", "requirements-cpu.txt", "-m service"),
        ("test", "requirements-dev.txt", "-m pytest"),
        ("check", "requirements-dev.txt", "lint-imports"),
        ("bench-gpu", "requirements-bench-gpu.txt", "-m export.bench_gpu"),
    ],
)
def test_a_target_makes_its_environment_and_then_runs(
    root: Path, target: str, requirements: str, command: str
) -> None:
    lines = would_run(root, target).splitlines()
    install = next(line for line in lines if "pip install" in line)
    assert requirements in install
    assert "--require-hashes" in install
    assert command in lines[-1]


def test_run_serves_where_the_environment_or_the_command_says(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "FSS_HOST=127.0.0.1 FSS_PORT=8000" in would_run(root, "run")
    monkeypatch.setenv("FSS_PORT", "8471")
    monkeypatch.setenv("FSS_HOST", "::")
    assert "FSS_HOST=:: FSS_PORT=8471" in would_run(root, "run")
    monkeypatch.setenv("PORT", "8472")
    assert "FSS_HOST=:: FSS_PORT=8472" in would_run(root, "run")


def test_the_program_it_puts_into_an_environment_runs_from_anywhere(
    root: Path, tmp_path: Path
) -> None:
    lines = would_run(root, "run").splitlines()
    (command,) = [line for line in lines if line.startswith("printf")]
    program = tmp_path / "fss"
    here = command.replace(".venv-serve/bin/fss", str(program))
    here = here.replace(str(root / ".venv-serve"), sys.prefix)
    subprocess.run(["sh", "-c", here], check=True)
    run = subprocess.run(
        [program, "label", "--help"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert run.stdout.startswith("Usage: fss label")


def test_help_names_every_target(root: Path) -> None:
    run = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    listed = {line.split()[0] for line in run.stdout.splitlines()}
    makefile = (root / "Makefile").read_text().replace("\\\n", " ")
    declared = next(line for line in makefile.splitlines() if line.startswith(".PHONY"))
    assert listed == set(declared.split()[1:])


def test_continuous_integration_runs_check_and_test(root: Path) -> None:
    lines = (root / ".ci" / "run").read_text().splitlines()
    assert "set -euo pipefail" in lines
    assert lines[-2:] == ["make check", "make test"]
