"""compose.yaml: valid, contained, and without a secret in it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.packaging.manifests import K8S, replica_bytes

Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose(root: Path) -> dict[str, Any]:
    """The file."""
    content: dict[str, Any] = yaml.safe_load((root / "compose.yaml").read_text())
    return content


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Service]:
    """Services by name."""
    found: dict[str, Service] = compose["services"]
    return found


def test_file_follows_the_compose_specification(root: Path) -> None:
    checker = Path(sys.executable).parent / "check-jsonschema"
    command = [str(checker), "--builtin-schema", "vendor.compose-spec", str(root / "compose.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_service_waits_for_redis(services: dict[str, Service]) -> None:
    assert services["api"]["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_every_service_is_contained(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert "privileged" not in service
        assert service["deploy"]["resources"]["limits"].keys() == {"memory", "pids"}
        # That of our own image comes with it.
        assert (name == "api") != ("healthcheck" in service)
        assert service["restart"] == "unless-stopped"


def test_nobody_is_root(root: Path, services: dict[str, Service]) -> None:
    for name, service in services.items():
        if name != "api":
            assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert services["api"]["build"]["target"] == "cpu"
    assert "USER 10001:10001" in (root / "Dockerfile").read_text()


def test_ports_are_open_to_this_machine_alone(services: dict[str, Service]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "ports" not in services["redis"]


def test_redis_is_on_no_network_that_leads_out(
    compose: dict[str, Any], services: dict[str, Service]
) -> None:
    inside = services["redis"]["networks"]
    assert all(compose["networks"][name]["internal"] for name in inside)


def test_images_are_of_one_release(services: dict[str, Service]) -> None:
    for service in services.values():
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+(-[a-z]+)?", service["image"])


def test_image_of_redis_is_that_of_kubernetes(services: dict[str, Service]) -> None:
    component = yaml.safe_load((K8S / "components/redis/kustomization.yaml").read_text())
    (image,) = component["images"]
    assert services["redis"]["image"] == f"{image['name']}:{image['newTag']}"


def test_secrets_are_files_that_are_not_in_the_repository(
    root: Path, compose: dict[str, Any], services: dict[str, Service]
) -> None:
    files = {secret["file"] for secret in compose["secrets"].values()}
    files |= {name for name in services["api"]["env_file"] if not name.startswith("k8s/")}
    assert files
    assert all(re.fullmatch(r"secrets/[a-z.-]+", name) for name in files)
    assert "/secrets/" in (root / ".gitignore").read_text().splitlines()
    instructions = (root / "docs" / "operations.md").read_text()
    assert all(name in instructions for name in files)
    # Passwords are given as files alone.
    for service in services.values():
        for variable, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|TOKEN", variable) or value.startswith("/run/")


def test_what_is_mounted_is_defined_and_there(
    root: Path, compose: dict[str, Any], services: dict[str, Service]
) -> None:
    for kind in ("configs", "secrets"):
        named = {
            entry if isinstance(entry, str) else entry["source"]
            for service in services.values()
            for entry in service.get(kind, [])
        }
        assert named == compose[kind].keys()
    volumes = {v.split(":")[0] for s in services.values() for v in s.get("volumes", [])}
    assert volumes == compose["volumes"].keys()
    # From files alone: compose copies anything else, and into no container that is read-only.
    for mounted in (*compose["configs"].values(), *compose["secrets"].values()):
        assert mounted.keys() == {"file"}
    for config in compose["configs"].values():
        assert (root / config["file"]).is_file()


def test_settings_of_the_service_are_its_settings(
    root: Path, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = services["api"]
    lines = (root / api["env_file"][0]).read_text().splitlines()
    shared = [line.split("=", 1) for line in lines if not line.startswith("#")]
    for name, value in shared + list(api["environment"].items()):
        assert name.removeprefix("FSS_").lower() in Settings.model_fields
        monkeypatch.setenv(name, value)
    assert Settings().drain_s + 15 <= int(api["stop_grace_period"].rstrip("s"))
    limit = api["deploy"]["resources"]["limits"]["memory"]
    assert replica_bytes(Settings(), redis=True) <= int(limit.removesuffix("g")) * 2**30


def test_jobs_are_kept_on_a_volume_that_the_image_has_a_folder_for(
    root: Path, services: dict[str, Service]
) -> None:
    api = services["api"]
    directory = api["environment"]["FSS_JOBS_DIR"]
    assert api["volumes"] == [f"jobs:{directory}"]
    assert f"--owner service --group service {directory}\n" in (root / "Dockerfile").read_text()


def _config(root: Path, compose: dict[str, Any], name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((root / compose["configs"][name]["file"]).read_text())
    return content


def test_prometheus_asks_the_service_by_the_job_of_the_alerts(
    root: Path, compose: dict[str, Any], services: dict[str, Service]
) -> None:
    configuration = _config(root, compose, "prometheus")
    (job,) = configuration["scrape_configs"]
    assert job["job_name"] == "fewshot-segmentation"
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in services
    assert services[host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    targets = {c["source"]: c["target"] for c in services["prometheus"]["configs"]}
    assert configuration["rule_files"] == [targets["rules"]]


def test_grafana_reads_its_dashboard_from_where_it_lies(
    root: Path, compose: dict[str, Any], services: dict[str, Service]
) -> None:
    targets = {config["source"]: config["target"] for config in services["grafana"]["configs"]}
    (provider,) = _config(root, compose, "grafana-dashboards")["providers"]
    assert str(Path(targets["dashboard"]).parent) == provider["options"]["path"]
    (source,) = _config(root, compose, "grafana-sources")["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert re.fullmatch(r"http://prometheus:9090", source["url"])
