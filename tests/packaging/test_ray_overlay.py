"""`k8s/overlays/ray`: a RayService that KubeRay, Ray Serve and Kubernetes would take."""

import json
import re
from pathlib import Path
from typing import Any, Literal

import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from service.settings import Settings
from tests.packaging.manifests import NAME, nbytes, one, replica_bytes, resources

pytestmark = pytest.mark.kubectl

OVERLAY = "ray"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Group(_Part):
    rayStartParams: dict[str, str]  # noqa: N815
    template: dict[str, Any]


class _WorkerGroup(_Group):
    groupName: str  # noqa: N815
    replicas: int
    minReplicas: int  # noqa: N815
    maxReplicas: int  # noqa: N815


class _AuthOptions(_Part):
    mode: Literal["token"]


class _Cluster(_Part):
    rayVersion: str  # noqa: N815
    authOptions: _AuthOptions  # noqa: N815
    enableInTreeAutoscaling: bool  # noqa: N815
    autoscalerOptions: dict[str, Any]  # noqa: N815
    headGroupSpec: _Group  # noqa: N815
    workerGroupSpecs: list[_WorkerGroup]  # noqa: N815


class _UpgradeStrategy(_Part):
    type: Literal["NewCluster", "NewClusterWithIncrementalUpgrade", "None"]


class _Spec(_Part):
    """Of a RayService `ray.io/v1`, as far as it is used; other fields are refused as misspelt."""

    upgradeStrategy: _UpgradeStrategy  # noqa: N815
    rayClusterDeletionDelaySeconds: int  # noqa: N815
    serveConfigV2: str  # noqa: N815
    rayClusterConfig: _Cluster  # noqa: N815


@pytest.fixture(scope="module")
def spec() -> _Spec:
    service = one(OVERLAY, "RayService")
    assert service["apiVersion"] == "ray.io/v1"
    return _Spec.model_validate(service["spec"])


def _groups(spec: _Spec) -> dict[str, _Group]:
    workers = {group.groupName: group for group in spec.rayClusterConfig.workerGroupSpecs}
    return {"head": spec.rayClusterConfig.headGroupSpec} | workers


def _container(group: _Group) -> dict[str, Any]:
    (only,) = group.template["spec"]["containers"]
    return dict(only)


def _settings() -> dict[str, str]:
    (found,) = (
        resource["data"]
        for resource in resources(OVERLAY)
        if resource["kind"] == "ConfigMap" and "FSS_ENGINE" in resource["data"]
    )
    return dict(found)


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_every_resource_and_every_pod_follows_the_schemas(spec: _Spec, version: str) -> None:
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec_of}
        for name, group in _groups(spec).items()
        for spec_of in [group.template["spec"]]
    ]
    plain = [resource for resource in resources(OVERLAY) if resource["kind"] != "RayService"]
    for resource in [*plain, *pods]:
        kubernetes_validate.validate(resource, version, strict=True)


def test_what_the_base_runs_itself_is_not_there() -> None:
    kinds = {resource["kind"] for resource in resources(OVERLAY)}
    assert kinds.isdisjoint({"Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"})


def test_pods_are_restricted_and_bounded(spec: _Spec) -> None:
    for name, group in _groups(spec).items():
        pod, container = group.template["spec"], _container(group)
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
        assert group.template["metadata"]["labels"] == {"app.kubernetes.io/name": NAME}
        if name != "head":  # there Ray's autoscaler asks Kubernetes for pods
            assert pod["automountServiceAccountToken"] is False


def _probes(container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each probe asks, by the probe's name."""
    names = ("startupProbe", "readinessProbe", "livenessProbe")
    return {name: container[name]["httpGet"] for name in names}


def test_probes_are_written_out_and_need_no_program_in_the_image(spec: _Spec) -> None:
    node = {"path": "/api/healthz", "port": 52365}
    proxy = {"path": "/-/healthz", "port": "serve"}
    for name, group in _groups(spec).items():
        container = _container(group)
        ready = node if name == "head" else proxy
        assert _probes(container) == {
            "startupProbe": node,
            "readinessProbe": ready,
            "livenessProbe": node,
        }
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["serve"] == yaml.safe_load(spec.serveConfigV2)["http_options"]["port"]


@pytest.mark.ray
def test_ray_answers_the_probes_of_its_nodes_without_a_token(spec: _Spec) -> None:
    constants = pytest.importorskip("ray._private.ray_constants", reason="ray is not installed")
    from ray.dashboard.http_server_agent import PUBLIC_EXACT_PATHS

    for group in _groups(spec).values():
        asked = _probes(_container(group))["livenessProbe"]
        assert asked["path"] in PUBLIC_EXACT_PATHS
        assert asked["port"] == constants.DEFAULT_DASHBOARD_AGENT_LISTEN_PORT


def _shared_memory(group: _Group) -> int:
    """Bytes of the pods' /dev/shm."""
    mounts = {m["mountPath"]: m["name"] for m in _container(group)["volumeMounts"]}
    volumes = {
        v["name"]: v["emptyDir"] for v in group.template["spec"]["volumes"] if "emptyDir" in v
    }
    volume = volumes[mounts["/dev/shm"]]  # noqa: S108 - in a pod
    assert volume["medium"] == "Memory"
    return nbytes(volume["sizeLimit"])


def test_object_stores_fit_into_shared_memory(spec: _Spec) -> None:
    for group in _groups(spec).values():
        stored = int(group.rayStartParams["object-store-memory"])
        assert 0.5 * _shared_memory(group) < stored < 0.9 * _shared_memory(group)


def test_memory_is_enough_for_all_http_replicas_of_a_pod(spec: _Spec) -> None:
    group = _groups(spec)["http"]
    (application,) = yaml.safe_load(spec.serveConfigV2)["applications"]
    (tier,) = application["deployments"]
    replicas = float(group.rayStartParams["num-cpus"]) // tier["ray_actor_options"]["num_cpus"]
    fields = {k[4:].lower(): v for k, v in _settings().items() if k.startswith("FSS_")}
    each = replica_bytes(Settings.model_validate_strings(fields), redis=True)
    limit = nbytes(_container(group)["resources"]["limits"]["memory"])
    assert replicas * each + _shared_memory(group) <= limit


def test_all_nodes_have_the_same_settings_and_they_are_a_pool(spec: _Spec) -> None:
    (name,) = {
        source["configMapRef"]["name"]
        for group in _groups(spec).values()
        for source in _container(group)["envFrom"]
    }
    data = one(OVERLAY, "ConfigMap", name)["data"]
    assert data == _settings()
    fields = {key[4:].lower(): value for key, value in data.items() if key.startswith("FSS_")}
    settings = Settings.model_validate_strings(fields)
    assert settings.engine == "ray"
    pool = _groups(spec)["gpu"]
    assert isinstance(pool, _WorkerGroup)
    limits = _container(pool)["resources"]["limits"]
    assert settings.ray_num_gpus <= float(limits["nvidia.com/gpu"])
    assert settings.ray_num_cpus <= float(pool.rayStartParams["num-cpus"]) <= float(limits["cpu"])
    assert settings.ray_max_replicas * settings.ray_num_gpus <= pool.maxReplicas


def test_http_replicas_find_room_and_have_the_keys(spec: _Spec) -> None:
    (application,) = yaml.safe_load(spec.serveConfigV2)["applications"]
    (tier,) = application["deployments"]
    group = _groups(spec)["http"]
    assert isinstance(group, _WorkerGroup)
    places = json.loads(json.loads(group.rayStartParams["resources"]))["http"]
    needed = tier["autoscaling_config"]["max_replicas"] * tier["ray_actor_options"]["num_cpus"]
    assert needed <= group.maxReplicas * min(places, float(group.rayStartParams["num-cpus"]))
    names = {variable["name"] for variable in _container(group)["env"]}
    assert names == {"FSS_API_KEYS_FILE", "FSS_STORE_URL"}


def test_rays_version_is_the_one_that_is_installed_in_the_image(spec: _Spec, root: Path) -> None:
    text = (root / "requirements-ray.txt").read_text()
    (pinned,) = set(re.findall(r"^ray(?:\[\w+\])?==(\S+)", text, re.M))
    assert spec.rayClusterConfig.rayVersion == pinned


@pytest.mark.ray
def test_serve_takes_its_configuration(spec: _Spec) -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="the extra `ray` is not installed")
    from ray._common.utils import import_attr

    config = schema.ServeDeploySchema.model_validate(yaml.safe_load(spec.serveConfigV2))
    (application,) = config.applications
    assert callable(import_attr(application.import_path))
