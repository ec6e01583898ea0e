"""The pinned requirements say what pyproject.toml asks for, and nothing about where it lies."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

EXTRAS = {
    "cpu": ["cpu", "signing"],
    "gpu": ["gpu", "signing"],
    "ray": ["gpu", "signing", "ray"],
    "bench-gpu": ["gpu", "train"],
    "dev": ["cpu", "signing", "ray", "train", "dev"],
}
PIN = re.compile(
    r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+)(?P<rest>(?: \\\n    --hash=\S+)+)$", re.M
)


def pins(root: Path, environment: str) -> dict[str, Version]:
    """Name to pinned version of a requirements file."""
    text = (root / f"requirements-{environment}.txt").read_text()
    return {match["name"]: Version(match["version"]) for match in PIN.finditer(text)}


def wanted(root: Path, environment: str) -> list[Requirement]:
    """What pyproject.toml asks of an environment."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + [
        line for extra in EXTRAS[environment] for line in extras[extra]
    ]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("environment", EXTRAS)
def test_every_dependency_is_pinned_within_its_bounds(root: Path, environment: str) -> None:
    found = pins(root, environment)
    for requirement in wanted(root, environment):
        assert found[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("environment", EXTRAS)
def test_every_line_is_a_hashed_stable_pin_or_a_comment(root: Path, environment: str) -> None:
    text = (root / f"requirements-{environment}.txt").read_text()
    rest = re.sub(r"^ *#.*$", "", PIN.sub("", text), flags=re.M)
    assert rest.strip() == ""
    early = {name for name, version in pins(root, environment).items() if version.is_prerelease}
    # OpenTelemetry's stable SDK stands on parts that have never had another kind of release.
    assert all(name.startswith("opentelemetry-") for name in early)


def test_no_address_is_written_down(root: Path) -> None:
    files = sorted(root.glob("requirements-*.txt"))
    assert {f"requirements-{environment}.txt" for environment in EXTRAS} <= {f.name for f in files}
    for file in files:
        assert not re.search(r"://|find-links|index-url|file:", file.read_text()), file.name


@pytest.mark.parametrize("environment", EXTRAS)
def test_no_environment_holds_two_builds_of_onnxruntime(root: Path, environment: str) -> None:
    assert len({"onnxruntime", "onnxruntime-gpu"} & pins(root, environment).keys()) == 1


@pytest.mark.parametrize("environment", ["cpu", "gpu"])
def test_serving_environments_hold_no_torch(root: Path, environment: str) -> None:
    assert not {"torch", "torchvision", "onnx", "onnxscript"} & pins(root, environment).keys()


def test_what_is_tested_is_what_is_served(root: Path) -> None:
    development = pins(root, "dev")
    assert pins(root, "cpu").items() <= development.items()
