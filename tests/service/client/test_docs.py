"""The code of docs/client.md and the commands of docs/command-line.md run as they stand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAUNCHER = f"""\
#!{sys.executable}
import sys

sys.path.insert(0, {str(ROOT)!r})

from service.cli import main

sys.exit(main())
"""


def blocks(page: str, language: str) -> list[str]:
    """What a page shows in a language."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the pages name: the samples, and the program in its environment."""
    (tmp_path / "service").symlink_to(ROOT / "service")
    program = tmp_path / ".venv-serve/bin/fss"
    program.parent.mkdir(parents=True)
    program.write_text(LAUNCHER)
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("block", blocks("client.md", "python"))
def test_code_runs(url: str, checkout: Path, block: str) -> None:
    assert "http://127.0.0.1:8000" in block
    code = block.replace("http://127.0.0.1:8000", url)
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout
    for coco in checkout.glob("out/*/coco.json"):
        images = json.loads(coco.read_text())["images"]
        assert {Path(each["file_name"]).suffix for each in images} == {".jpg"}  # no masks


def test_results_of_the_two_pages_do_not_meet() -> None:
    """A person follows both in one checkout, and a folder holds the results of one job only."""
    code, commands = (
        "".join(blocks("client.md", "python")),
        "".join(blocks("command-line.md", "bash")),
    )
    written = set(re.findall(r"out/[\w-]+", code))
    assert written
    assert written.isdisjoint(re.findall(r"out/[\w-]+", commands))


def test_commands_run(url: str, checkout: Path) -> None:
    script = "\n".join(["set -e", *blocks("command-line.md", "bash")])
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"FSS_CLIENT_URL": url, "FSS_ENGINE": "fake"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [
        "coco.json",
        "contact-sheet.html",
        "yolo",
        "done:",
        *["9", "of", "9", "done"],
    ]
    written = {path.relative_to(checkout / "out").as_posix() for path in checkout.glob("out/*/*")}
    assert {"labels/yolo", "masks/masks", "job/coco.json"} <= written
