"""What kustomize makes of the folders under k8s/."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from service.settings import Settings

Resource = dict[str, Any]

K8S = Path(__file__).resolve().parents[2] / "k8s"
OVERLAYS = ("dev", "staging", "production")
NAME = "fewshot-segmentation"
# Of docs/operations.md: a process after the first requests, with `base` in int8 or with no network;
# sessions on their way from Redis; and a pixel that is worked on.
BASE_BYTES, HTTP_TIER_BYTES = 540_000_000, 140_000_000
TRANSFER_BYTES = 192 * 2**20
BYTES_PER_PIXEL = 24
_UNITS = {"Mi": 2**20, "Gi": 2**30}
_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}


@cache
def resources(overlay: str) -> tuple[Resource, ...]:
    """All resources of an overlay; not to be changed."""
    command = ["kubectl", "kustomize", str(K8S / "overlays" / overlay)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return tuple(yaml.safe_load_all(run.stdout))


def of_kind(overlay: str, kind: str) -> Iterator[Resource]:
    """Those of one kind."""
    return (resource for resource in resources(overlay) if resource["kind"] == kind)


def one(overlay: str, kind: str, name: str = NAME) -> Resource:
    """The resource of that kind and name."""
    (found,) = (found for found in of_kind(overlay, kind) if found["metadata"]["name"] == name)
    return found


def workloads(overlay: str) -> list[Resource]:
    """All resources that make pods."""
    return [resource for resource in resources(overlay) if resource["kind"] in _WORKLOADS]


def pod(workload: Resource) -> Resource:
    """The specification of a workload's pods."""
    spec: Resource = workload["spec"]["template"]["spec"]
    return spec


def containers(workload: Resource) -> list[Resource]:
    """All containers of a workload, those that only begin included."""
    spec = pod(workload)
    return [*spec["containers"], *spec.get("initContainers", [])]


def service_container(overlay: str) -> Resource:
    """The container that runs the service."""
    (only,) = pod(one(overlay, "Deployment"))["containers"]
    return dict(only)


def settings_of(overlay: str) -> dict[str, str]:
    """The settings in the ConfigMap of an overlay."""
    name = service_container(overlay)["envFrom"][0]["configMapRef"]["name"]
    return dict(one(overlay, "ConfigMap", name)["data"])


def selects(selector: dict[str, Any], workload: Resource) -> bool:
    """Whether a label selector (`matchLabels` alone) is one of the workload's pods."""
    labels = workload["spec"]["template"]["metadata"]["labels"]
    wanted = selector.get("matchLabels", {})
    return bool(wanted) and wanted.items() <= labels.items()


def nbytes(quantity: str) -> int:
    """Bytes of a quantity such as 512Mi."""
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]


def replica_bytes(allowed: Settings, *, redis: bool) -> int:
    """Memory that a replica needs, by the rule of docs/operations.md."""
    pooled = allowed.engine == "ray"  # the network and what it encodes are elsewhere
    pixels = allowed.max_pixels_in_flight or 2 * allowed.max_pixels
    addends = (
        HTTP_TIER_BYTES if pooled else BASE_BYTES,
        allowed.max_store_bytes,
        allowed.max_upload_bytes,
        allowed.max_client_upload_bytes,  # of archives that are downloaded
        allowed.decode_cache_bytes,
        0 if pooled else allowed.encode_cache_bytes + allowed.prediction_cache_bytes,
        allowed.class_cache_bytes if "cuda" in allowed.devices else 0,
        TRANSFER_BYTES if redis else 0,
        pixels * BYTES_PER_PIXEL,
    )
    return sum(addends) * 4 // 3
