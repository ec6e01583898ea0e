"""Every command of the README is run; those that train are checked against their command line."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.training import load_config
from tests.service.processes import serving

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
README_ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def commands() -> list[str]:
    """The README's shell commands, continued lines joined, comments removed."""
    lines = "".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [command for line in lines if (command := line.split(" # ")[0].strip())]


MAKE = [command.split()[1] for command in commands() if command.startswith("make ")]
CURL = [block for block in blocks("bash") if "curl" in block]
PYTHON = [command for command in commands() if command.startswith(".venv/bin/python ")]


def test_every_command_is_of_a_kind_that_is_tested() -> None:
    tested = len(MAKE) + len(PYTHON) + sum(block.count("curl ") for block in CURL)
    assert len(commands()) == tested


def test_the_two_commands_come_first() -> None:
    assert MAKE[:2] == ["demo", "test"]


@pytest.mark.parametrize("target", sorted(set(MAKE)))
def test_make_knows_the_target(root: Path, target: str) -> None:
    subprocess.run(
        ["make", "--dry-run", target], cwd=root, check=True, capture_output=True, timeout=60
    )


def test_demo_succeeds_and_writes_its_pictures(root: Path) -> None:
    started = time.time()
    # Python compiles what it imports by itself, which is less than what is installed.
    environment = os.environ | {"PIP_COMPILE": "no"}
    run = subprocess.run(
        ["make", "demo"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    written = [
        path for path in (root / "out" / "demo").rglob("*.png") if path.stat().st_mtime >= started
    ]
    assert len(written) >= 6


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service as `make run` starts it, on a port of its own."""
    with serving(tmp_path_factory.mktemp("service") / "log", {}, command=["service"]) as server:
        yield str(server.client.base_url).rstrip("/")


def test_curl_examples_register_and_segment(root: Path, address: str) -> None:
    script = "set -euo pipefail\n" + "\n".join(CURL).replace(README_ADDRESS, address)
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    (result,) = json.loads(run.stdout)["results"]
    (answer,) = result["classes"]
    assert answer["class_name"] == "duck"
    assert answer["area"] > 0
    with Image.open(root / "out" / "label_map.png") as image:
        found = np.asarray(image) == 1
    with Image.open(root / "service/samples/query_1_shelf.duck.png") as image:
        truth = np.asarray(image) > 0
    assert found.shape == (result["height"], result["width"])
    assert np.count_nonzero(found & truth) / np.count_nonzero(found | truth) > 0.65


def _before_options(command: str) -> list[str]:
    """Module and subcommand of a `python -m` command."""
    _, flag, *words = shlex.split(command)
    assert flag == "-m"
    return words[: next(i for i, word in enumerate(words) if word.startswith("--"))]


# It has been imported already, which is no matter here.
@pytest.mark.filterwarnings("ignore:.* found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("command", PYTHON)
def test_training_commands_use_options_that_exist(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, *words = _before_options(command)
    monkeypatch.setattr(sys, "argv", [module, *words, "--help"])
    # In this process, since another would load torch again.
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    assert not ended.value.code
    options = {word for word in shlex.split(command) if word.startswith("--")}
    assert options <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


def test_the_recipe_is_valid(tmp_path: Path) -> None:
    (recipe,) = blocks("yaml")
    path = tmp_path / "parts.yaml"
    path.write_text(recipe)
    assert [entry.name for entry in load_config(path).sets] == ["parts", "procedural_defects"]
