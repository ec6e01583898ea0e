"""What every workload of every overlay must keep to."""

import re
from pathlib import Path

import pytest

from tests.packaging.manifests import (
    OVERLAYS,
    containers,
    of_kind,
    one,
    pod,
    resources,
    selects,
    service_container,
    settings_of,
    workloads,
)

pytestmark = [pytest.mark.kubectl, pytest.mark.parametrize("overlay", OVERLAYS)]


def test_pods_meet_the_restricted_security_standard(overlay: str) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for workload in workloads(overlay):
        spec = pod(workload)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["runAsGroup"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert not [volume for volume in spec["volumes"] if "hostPath" in volume]
        for container in containers(workload):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_pods_cannot_talk_to_kubernetes(overlay: str) -> None:
    accounts = {account["metadata"]["name"] for account in of_kind(overlay, "ServiceAccount")}
    for workload in workloads(overlay):
        assert pod(workload)["automountServiceAccountToken"] is False
        assert pod(workload)["serviceAccountName"] in accounts


def test_resources_are_requested_and_limited(overlay: str) -> None:
    wanted = {"cpu", "memory", "ephemeral-storage"}
    for workload in workloads(overlay):
        for container in containers(workload):
            assert wanted <= container["resources"]["requests"].keys()
            assert wanted <= container["resources"]["limits"].keys()
        for volume in pod(workload)["volumes"]:
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"]


def test_every_container_is_probed_at_its_start_and_ever_after(overlay: str) -> None:
    for workload in workloads(overlay):
        for container in pod(workload)["containers"]:
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


def test_images_are_of_one_release(overlay: str) -> None:
    for workload in workloads(overlay):
        for container in containers(workload):
            assert re.fullmatch(r"[a-z/-]+:\d+\.\d+\.\d+(-[a-z]+)?", container["image"])


def test_every_pod_is_behind_policies_for_both_ways(overlay: str) -> None:
    for workload in workloads(overlay):
        ways = {
            way
            for policy in of_kind(overlay, "NetworkPolicy")
            if selects(policy["spec"]["podSelector"], workload)
            for way in policy["spec"]["policyTypes"]
        }
        assert ways == {"Ingress", "Egress"}


def test_selectors_choose_the_pods_they_mean(overlay: str) -> None:
    service = one(overlay, "Deployment")
    chosen = [w for w in workloads(overlay) if selects(service["spec"]["selector"], w)]
    assert chosen == [service]
    for kind in ("PodDisruptionBudget", "Service"):
        selector = one(overlay, kind)["spec"]["selector"]
        labels = selector if kind == "Service" else selector["matchLabels"]
        assert selects({"matchLabels": labels}, service)
    target = one(overlay, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", service["metadata"]["name"])
    # The autoscaler's number would be fought over by one written here.
    assert "replicas" not in service["spec"]
    for constraint in pod(service)["topologySpreadConstraints"]:
        assert selects(constraint["labelSelector"], service)


def test_a_drain_is_never_forbidden(overlay: str) -> None:
    budget = one(overlay, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_no_secret_is_written_down(overlay: str) -> None:
    assert not list(of_kind(overlay, "Secret"))


def test_what_pods_refer_to_is_there_or_in_the_instructions(overlay: str, root: Path) -> None:
    configs = {config["metadata"]["name"] for config in of_kind(overlay, "ConfigMap")}
    instructions = (root / "docs" / "operations.md").read_text()
    text = repr([pod(workload) for workload in workloads(overlay)])
    named = set(re.findall(r"'configMap(?:Ref)?': {'name': '([^']+)'", text))
    assert named
    assert named <= configs
    secrets = set(re.findall(r"'secretName': '([^']+)'", text))
    secrets |= set(re.findall(r"'secretKeyRef': {'key': '[^']+', 'name': '([^']+)'", text))
    for secret in secrets:
        assert f"create secret generic {secret}" in instructions
    assert bool(secrets) == (overlay != "dev")


def test_without_shared_sessions_there_is_one_replica_and_never_two(overlay: str) -> None:
    shared = any(
        variable["name"] == "FSS_STORE_URL" for variable in service_container(overlay)["env"]
    )
    strategy = one(overlay, "Deployment")["spec"]["strategy"]["type"]
    most = one(overlay, "HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    assert shared == (overlay != "dev")
    assert strategy == ("RollingUpdate" if shared else "Recreate")
    assert (most > 1) == shared


def test_jobs_have_a_volume_that_one_process_has(overlay: str) -> None:
    # Unset would be the state directory, which in a pod is the small /tmp of each replica.
    directory = settings_of(overlay)["FSS_JOBS_DIR"]
    mounts = {m["mountPath"]: m["name"] for m in service_container(overlay)["volumeMounts"]}
    volumes = {v["name"]: v for v in pod(one(overlay, "Deployment"))["volumes"]}
    assert bool(directory) == (overlay == "dev")
    assert ("jobs" in volumes) == bool(directory)
    if directory:
        claim = volumes[mounts[directory]]["persistentVolumeClaim"]["claimName"]
        volume = one(overlay, "PersistentVolumeClaim", claim)
        assert volume["spec"]["accessModes"] == ["ReadWriteOnce"]
        size = volume["spec"]["resources"]["requests"]["storage"]
        most = int(settings_of(overlay)["FSS_JOBS_MAX_TOTAL_BYTES"])
        assert 2.5 * most <= int(size.removesuffix("Gi")) << 30
        assert one(overlay, "HorizontalPodAutoscaler")["spec"]["maxReplicas"] == 1


def test_clients_reach_the_service_by_the_route_alone(overlay: str) -> None:
    types = {service["spec"].get("type", "ClusterIP") for service in of_kind(overlay, "Service")}
    assert types == {"ClusterIP"}
    assert bool([r for r in resources(overlay) if r["kind"] == "HTTPRoute"]) == (overlay != "dev")
