"""Every manifest renders and is valid for the kinds that it names."""

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.packaging.custom_resources import CUSTOM_RESOURCES
from tests.packaging.manifests import K8S, OVERLAYS, resources

pytestmark = pytest.mark.kubectl
KUBERNETES_VERSIONS = ("1.31", "1.37")


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_rendered_resources_follow_the_schemas(overlay: str, version: str) -> None:
    for resource in resources(overlay):
        if (model := CUSTOM_RESOURCES.get(resource["kind"])) is not None:
            model.model_validate(resource)
        else:
            kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_but_the_namespace_is_in_it(overlay: str) -> None:
    found = resources(overlay)
    (namespace,) = (r["metadata"]["name"] for r in found if r["kind"] == "Namespace")
    places = {r["metadata"].get("namespace") for r in found if r["kind"] != "Namespace"}
    assert places == {namespace}
    assert namespace == f"fewshot-segmentation-{overlay}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_name_is_given_twice(overlay: str) -> None:
    names = [(r["kind"], r["metadata"]["name"]) for r in resources(overlay)]
    assert len(names) == len(set(names))


def test_kinds_of_the_base_and_of_the_components_are_there() -> None:
    base = {
        *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Namespace", "NetworkPolicy"),
        *("PodDisruptionBudget", "Service", "ServiceAccount"),
    }
    whole = base | {"HTTPRoute", "PrometheusRule", "ServiceMonitor", "StatefulSet"}
    kinds = {overlay: {r["kind"] for r in resources(overlay)} for overlay in OVERLAYS}
    assert kinds == {"dev": base | {"PersistentVolumeClaim"}, "staging": whole, "production": whole}


def _named_in(kustomization: Path) -> set[Path]:
    """Files and folders that a kustomization names."""
    content = yaml.safe_load(kustomization.read_text())
    generators = content.get("configMapGenerator", [])
    names = [
        *content.get("resources", []),
        *content.get("components", []),
        *(patch["path"] for patch in content.get("patches", []) if "path" in patch),
        *(name for made in generators for name in made.get("envs", [])),
        # With or without the key that the file is to have.
        *(name.split("=")[-1] for made in generators for name in made.get("files", [])),
    ]
    return {(kustomization.parent / name).resolve() for name in names}


def test_no_file_lies_about_unused() -> None:
    kustomizations = set(K8S.rglob("kustomization.yaml"))
    used = set().union(*map(_named_in, kustomizations))
    # Prometheus itself, the adapter's chart and compose.yaml read these.
    elsewhere = {
        *K8S.glob("compose/*.yaml"),
        K8S / "components/monitoring/rules.yaml",
        K8S / "components/monitoring/prometheus-adapter.yaml",
    }
    files = {path for path in K8S.rglob("*") if path.is_file() and "ray" not in path.parts}
    assert files - kustomizations - used == elsewhere
