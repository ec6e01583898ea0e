"""The manifests agree with the image, the settings and the API of the service."""

import json
import re
from pathlib import Path

import pytest
import yaml

from service.settings import Settings
from tests.packaging.manifests import (
    K8S,
    NAME,
    OVERLAYS,
    Resource,
    nbytes,
    of_kind,
    one,
    pod,
    replica_bytes,
    service_container,
    settings_of,
)

pytestmark = pytest.mark.kubectl
every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
# For the end of a drain to be said and connections to be closed.
CLOSING_S = 15


def settings(overlay: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings as the service would read them in a pod of that overlay."""
    for name, value in settings_of(overlay).items():
        assert name.removeprefix("FSS_").lower() in Settings.model_fields
        monkeypatch.setenv(name, value)
    return Settings()


@every_overlay
def test_variables_are_settings_and_within_bounds(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(overlay, monkeypatch)
    for variable in service_container(overlay)["env"]:
        assert variable["name"].removeprefix("FSS_").lower() in Settings.model_fields


@every_overlay
def test_memory_is_enough_for_what_the_settings_allow(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = service_container(overlay)
    redis = "FSS_STORE_URL" in {variable["name"] for variable in container["env"]}
    needed = replica_bytes(settings(overlay, monkeypatch), redis=redis)
    assert needed <= nbytes(container["resources"]["limits"]["memory"])


@every_overlay
def test_a_pod_has_time_to_drain(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, wait_s) = service_container(overlay)["lifecycle"]["preStop"]["exec"]["command"]
    needed_s = int(wait_s) + settings(overlay, monkeypatch).drain_s + CLOSING_S
    assert needed_s <= pod(one(overlay, "Deployment"))["terminationGracePeriodSeconds"]


@every_overlay
def test_probes_ask_readiness_and_liveness_apart(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = service_container(overlay)
    probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    # Not the start by /readyz: while Redis is away a new pod would be killed again and again.
    assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    # Or a slow Redis would look like a service that is stuck.
    store_s = settings(overlay, monkeypatch).store_timeout_s
    assert all(probe["timeoutSeconds"] > store_s for probe in probes.values())


@every_overlay
def test_pod_runs_as_the_user_and_on_the_port_of_the_image(root: Path, overlay: str) -> None:
    dockerfile = (root / "Dockerfile").read_text()
    context = pod(one(overlay, "Deployment"))["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile
    (port,) = service_container(overlay)["ports"]
    assert f"FSS_PORT={port['containerPort']} " in dockerfile
    assert one(overlay, "Service")["spec"]["ports"][0]["targetPort"] == port["name"]


def test_images_are_those_that_are_built(root: Path) -> None:
    built = set(re.findall(r"--tag (\S+)", (root / "Dockerfile").read_text()))
    used = {service_container(overlay)["image"] for overlay in OVERLAYS}
    assert used <= built


def test_gpus_are_asked_for_where_they_are_used() -> None:
    container = service_container("production")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["image"].endswith("-gpu")
    assert settings_of("production")["FSS_DEVICES"] == "cuda:0"
    spec = pod(one("production", "Deployment"))
    assert "nvidia.com/gpu" in {toleration["key"] for toleration in spec["tolerations"]}
    assert spec["nodeSelector"].items() >= {"nvidia.com/gpu.present": "true"}.items()


def _is_routed(path: str, route: Resource) -> bool:
    """Whether a request for a path would be matched, by the rules of Gateway API."""
    matches = [match["path"] for rule in route["spec"]["rules"] for match in rule["matches"]]
    return any(
        path == match["value"]
        or (match["type"] == "PathPrefix" and path.startswith(f"{match['value']}/"))
        for match in matches
    )


@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_the_route_has_the_api_and_keeps_the_inside_inside(
    root: Path, overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = one(overlay, "HTTPRoute")
    api = json.loads((root / "docs" / "openapi.json").read_text())["paths"].keys()
    inside = {"/healthz", "/readyz", "/metrics"}
    assert not [path for path in inside if _is_routed(path, route)]
    assert not [path for path in api - inside if not _is_routed(path, route)]
    rules = route["spec"]["rules"]
    assert all(rule["backendRefs"] == [{"name": NAME, "port": 80}] for rule in rules)
    allowed = settings(overlay, monkeypatch)
    requests_s, jobs_s = (float(rule["timeouts"]["request"].rstrip("s")) for rule in rules)
    assert requests_s > allowed.upload_s + allowed.deadline_s
    assert jobs_s == 0  # no limit


def test_the_adapter_answers_what_the_autoscaler_asks() -> None:
    adapter = yaml.safe_load((K8S / "components/monitoring/prometheus-adapter.yaml").read_text())
    names = {rule["name"]["as"] for rule in adapter["rules"]["custom"]}
    (scaler,) = of_kind("production", "HorizontalPodAutoscaler")
    asked = {m["pods"]["metric"]["name"] for m in scaler["spec"]["metrics"] if m["type"] == "Pods"}
    assert asked == names
    assert "cpu" in {m["resource"]["name"] for m in scaler["spec"]["metrics"] if "resource" in m}
