"""The manifests: valid for Kubernetes, and in agreement with the image and the settings."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import Settings

Resource = dict[str, Any]
KUBERNETES_VERSIONS = ("1.31", "1.34")


@pytest.fixture(scope="module")
def base(root: Path) -> Path:
    """The kustomize base."""
    return root / "k8s" / "base"


@pytest.fixture(scope="module")
def resources(base: Path) -> dict[str, Resource]:
    """Resources by kind: rendered when kubectl is there, else as written."""
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize", str(base)]
        text = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=60
        ).stdout
        return {resource["kind"]: resource for resource in yaml.safe_load_all(text)}
    names = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
    written = (yaml.safe_load((base / name).read_text()) for name in names)
    return {resource["kind"]: resource for resource in written}


@pytest.fixture(scope="module")
def pod(resources: dict[str, Resource]) -> Resource:
    """The pod's specification."""
    spec: Resource = resources["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def container(pod: Resource) -> Resource:
    """The only container."""
    (only,) = pod["containers"]
    return dict(only)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_rendered_resources_follow_the_schema(base: Path, version: str) -> None:
    kustomization = yaml.safe_load((base / "kustomization.yaml").read_text())
    for name in kustomization["resources"]:
        resource = yaml.safe_load((base / name).read_text())
        if resource["kind"] == "Deployment":  # the selector is kustomize's work
            labels = kustomization["labels"][0]["pairs"]
            resource["spec"]["selector"] = {"matchLabels": labels}
        kubernetes_validate.validate(resource, version, strict=True)


def test_expected_kinds_are_there(resources: dict[str, Resource]) -> None:
    assert {"Deployment", "Service", "PodDisruptionBudget"} <= resources.keys()


def test_pod_meets_the_restricted_security_standard(pod: Resource, container: Resource) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_pod_runs_as_the_user_of_the_image(root: Path, pod: Resource) -> None:
    user = f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert user in (root / "Dockerfile").read_text().splitlines()


def test_probes_ask_readiness_and_liveness_apart(container: Resource) -> None:
    paths = {
        probe: container[f"{probe}Probe"]["httpGet"]["path"]
        for probe in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"}


def test_ports_agree(root: Path, resources: dict[str, Resource], container: Resource) -> None:
    (port,) = container["ports"]
    assert f"FSS_PORT={port['containerPort']}" in (root / "Dockerfile").read_text()
    assert resources["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]


def test_resources_are_requested_and_limited(container: Resource) -> None:
    assert container["resources"].keys() == {"requests", "limits"}
    assert all(part.keys() == {"cpu", "memory"} for part in container["resources"].values())


def test_settings_of_the_config_map_are_settings_of_the_service(
    base: Path, pod: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (base / "settings.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    assert {name.removeprefix("FSS_").lower() for name in variables} <= Settings.model_fields.keys()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.drain_s < pod["terminationGracePeriodSeconds"] - 5


def test_a_drain_is_never_forbidden(resources: dict[str, Resource]) -> None:
    replicas = resources["Deployment"]["spec"]["replicas"]
    budget = resources["PodDisruptionBudget"]["spec"]
    assert budget.get("maxUnavailable", 0) >= 1 or budget["minAvailable"] < replicas
