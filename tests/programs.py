"""What tests need that Python cannot install: programs, devices and networks, by marker."""

import re
import shutil
import socket
import subprocess
from functools import cache

import onnxruntime as ort

# Components came to kustomize with its third release.
_OLDEST_KUSTOMIZE = 4
_PROGRAMS = {
    "browser": ("chromium", "chromedriver"),
    "compiler": ("g++",),
    "nginx": ("nginx",),
    "promtool": ("promtool",),
    "redis": ("redis-server",),
}
_PACKAGES = {
    "browser": "chromium chromium-driver",
    "compiler": "g++",
    "nginx": "nginx-light",
    "promtool": "prometheus",
    "redis": "redis-server",
}


@cache
def missing() -> dict[str, str]:
    """Why tests of a marker cannot run, for each marker that lacks something."""
    found = {
        marker: f"{' or '.join(names)} is not installed (Debian: apt-get install "
        f"{_PACKAGES[marker]})"
        for marker, names in _PROGRAMS.items()
        if not all(map(shutil.which, names))
    }
    if _kustomize_release() < _OLDEST_KUSTOMIZE:
        found["kubectl"] = (
            "kubectl of 1.21 or later is not installed "
            "(Debian 13: apt-get install kubernetes-client)"
        )
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        found["gpu"] = "there is no GPU, or no onnxruntime-gpu (requirements-gpu.txt)"
    if not _has_ipv6():
        found["ipv6"] = "this machine has no address of IPv6 to listen on"
    return found


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _kustomize_release() -> int:
    """Of the kustomize in kubectl; 0: there is none."""
    if (kubectl := shutil.which("kubectl")) is None:
        return 0
    command = [kubectl, "version", "--client"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"Kustomize Version: v(\d+)", run.stdout)
    return int(found[1]) if found else 0
