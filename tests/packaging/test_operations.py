"""docs/operations.md names what exists."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from service.settings import Settings
from tests.packaging.dockerfile import read_stages
from tests.packaging.manifests import K8S, OVERLAYS, one


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """The whole text."""
    return (root / "docs" / "operations.md").read_text()


def test_settings_are_settings(page: str) -> None:
    named = set(re.findall(r"\bFSS_([A-Z_]+)\b", page))
    assert named
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


def test_metrics_of_the_instructions_are_not_made_up(root: Path, page: str) -> None:
    table = (root / "docs" / "metrics.md").read_text()
    assert all(name in table for name in re.findall(r"\bfss_[a-z_]+\b", page))


def test_targets_are_those_of_the_dockerfile(root: Path, page: str) -> None:
    table = page.split("### Images")[1].split("```")[0]
    named = set(re.findall(r"^\| `([a-z]+)`", table, re.M))
    stages = read_stages(root / "Dockerfile")
    assert named <= stages.keys()
    assert {"cpu", "gpu", "ray", "test", "sbom"} == named


def test_tags_are_of_this_release(root: Path, page: str) -> None:
    release = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    files = ["Dockerfile", "compose.yaml", "docs/operations.md"]
    texts = [page, *((root / name).read_text() for name in files)]
    tags = {
        tag for text in texts for tag in re.findall(r"fewshot-segmentation:(\d+\.\d+\.\d+)", text)
    }
    assert tags == {release}
    for folder in ("base", "components/gpu"):
        (image,) = yaml.safe_load((K8S / folder / "kustomization.yaml").read_text())["images"]
        assert image["newTag"].split("-")[0] == release


@pytest.mark.kubectl
def test_the_table_of_overlays_tells_their_replicas(page: str) -> None:
    (row,) = re.findall(r"^\| replicas \| (\d[^|]+)\| (\d[^|]+)\| (\d[^|]+)\|$", page, re.M)
    for overlay, cell in zip(OVERLAYS, row, strict=True):
        scaler = one(overlay, "HorizontalPodAutoscaler")["spec"]
        told = [int(number) for number in re.findall(r"\d+", cell)]
        assert {scaler["minReplicas"], scaler["maxReplicas"]} == set(told)
