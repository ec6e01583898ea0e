"""The Dockerfile: linted, and what it copies is enough to import the service without torch."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "onnx", "onnxscript"):
    sys.modules[name] = None
import service.app, service.cli, model.runtime
"""


def dockerfile(root: Path) -> str:
    """The Dockerfile with continued lines joined."""
    return (root / "Dockerfile").read_text().replace("\\\n", " ")


def copied(root: Path) -> list[tuple[str, str]]:
    """Source and target of every COPY from the build context."""
    lines = re.findall(r"^COPY (?!--from)(\S+) (\S+)$", dockerfile(root), re.M)
    assert len(lines) == dockerfile(root).count("\nCOPY ") - 1
    return lines


def test_hadolint_has_nothing_to_say(root: Path) -> None:
    linter = Path(sys.executable).parent / "hadolint"
    run = subprocess.run([linter, root / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_base_images_are_pinned_to_a_patch_release(root: Path) -> None:
    bases = re.findall(r"^FROM (\S+)", dockerfile(root), re.M)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base) for base in bases)


def test_the_service_does_not_run_as_root(root: Path) -> None:
    users = re.findall(r"^USER (\S+)$", dockerfile(root), re.M)
    assert users
    assert users[-1] not in {"root", "0", "0:0"}


def test_installation_checks_hashes(root: Path) -> None:
    installs = re.findall(r"pip install[^&\n]*", dockerfile(root))
    assert installs
    assert all("--require-hashes" in line for line in installs)


def test_every_source_exists_and_enters_the_build_context(root: Path) -> None:
    ignore = (root / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    for source, _ in copied(root):
        assert (root / source).exists()
        assert f"!{source.rstrip('/')}" in ignore


@pytest.fixture
def image_files(root: Path, tmp_path: Path) -> Path:
    """What the last stage's COPY lines leave in its working directory."""
    skip = shutil.ignore_patterns("__pycache__")
    for source, target in copied(root):
        if target.startswith("/"):
            continue
        if (root / source).is_dir():
            shutil.copytree(root / source, tmp_path / target, ignore=skip, dirs_exist_ok=True)
        else:
            (tmp_path / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(root / source, tmp_path / target)
    return tmp_path


def test_copied_files_are_enough_to_import_the_service(image_files: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        cwd=image_files,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr


def test_no_training_code_is_copied(image_files: Path) -> None:
    assert {path.name for path in (image_files / "model").iterdir()} == {
        "__init__.py",
        "bundles",
        "contract",
        "runtime",
    }
