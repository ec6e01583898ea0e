"""docs/operations.md names what exists."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from service.access import key_line, new_key
from service.settings import Settings
from tests.packaging.dockerfile import read_stages
from tests.packaging.instructions import block_with, follow
from tests.packaging.manifests import K8S, NAME, OVERLAYS, Resource, one, replica_bytes


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """The whole text."""
    return (root / "docs" / "operations.md").read_text()


def test_settings_are_settings(page: str) -> None:
    named = set(re.findall(r"\bFSS_([A-Z_]+)\b", page)) - {"CLIENT_KEY"}  # that one is the client's
    assert named
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


def test_the_memory_of_a_replica_adds_up(page: str) -> None:
    table = page.split("### Memory of a replica")[1].split("Add to the sum")[0]
    rows = re.findall(r"\| (.*) \| ([\d,]+) MiB \|$", table, re.M)
    *addends, total, needed = (int(amount.replace(",", "")) for _, amount in rows)
    assert total == sum(addends)
    assert needed == round(replica_bytes(Settings(), redis=False) / 2**20)
    for what, amount in rows:
        if alone := re.search(r"\| `FSS_([A-Z_]+_BYTES)`$", what):
            default = Settings.model_fields[alone[1].lower()].default
            assert amount == f"{default // 2**20:,}", what


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


@pytest.fixture(scope="module")
def patched(page: str, tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    """What the overlay `production` becomes with every patch of the page."""
    blocks = re.findall(r"^```yaml\n(patches:\n.*?)^```$", page, re.M | re.S)
    patches = [patch for block in blocks for patch in yaml.safe_load(block)["patches"]]
    assert len(patches) == 2
    folder = tmp_path_factory.mktemp("overlay")
    below = {"resources": [os.path.relpath(K8S / "overlays" / "production", folder.resolve())]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(below | {"patches": patches}))
    command = ["kubectl", "kustomize", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return list(yaml.safe_load_all(run.stdout))


@pytest.mark.kubectl
def test_the_patch_for_the_operator_labels_what_it_selects_by_label(
    patched: list[Resource],
) -> None:
    labelled = {r["kind"] for r in patched if "release" in r["metadata"].get("labels", {})}
    assert labelled == {"ServiceMonitor", "PrometheusRule"}


@pytest.mark.kubectl
def test_the_patch_for_other_dns_adds_a_way_and_takes_none(patched: list[Resource]) -> None:
    (made,) = (r for r in patched if r["metadata"]["name"] == f"{NAME}-to-redis")
    plain = one("production", "NetworkPolicy", f"{NAME}-to-redis")
    assert made["spec"]["egress"][:-1] == plain["spec"]["egress"]
    (added,) = made["spec"]["egress"][-1]["to"]
    assert added.keys() == {"ipBlock"}


def test_a_line_of_the_keys_is_removed_from_the_file_that_the_container_has(tmp_path: Path) -> None:
    keys = tmp_path / "secrets" / "api-keys"
    keys.parent.mkdir()
    lines = [key_line(owner, new_key()) for owner in ("lab", "lab", "line")]
    keys.write_text("\n".join(lines) + "\n")
    mounted = tmp_path / "mounted"  # as the container has it
    mounted.hardlink_to(keys)
    removing = block_with("grep -vF")
    follow(removing.replace("hash=...", f"hash={lines[0].split()[1]}"), tmp_path)
    assert mounted.read_text().splitlines() == lines[1:]
    assert [each.name for each in keys.parent.iterdir()] == ["api-keys"]


def test_the_url_of_redis_is_that_of_the_service_in_the_cluster(page: str, tmp_path: Path) -> None:
    (made,) = re.findall(r"from-literal=url=\"\$\((.*)\)\"$", page, re.M)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "api.env").write_text("FSS_STORE_URL=redis://fss:p@redis:6379/0\n")
    command = ["bash", "-c", made]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == f"redis://fss:p@{NAME}-redis:6379/0\n"
