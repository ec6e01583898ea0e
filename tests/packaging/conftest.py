"""The checkout that is under test, and the programs that Python cannot install."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service.redis_server import BINARY as REDIS

ROOT = Path(__file__).resolve().parents[2]
# Components came to kustomize with its third release.
_OLDEST_KUSTOMIZE = 4


def _kustomize_release() -> int:
    """Of the kustomize in kubectl; 0: there is none."""
    if (kubectl := shutil.which("kubectl")) is None:
        return 0
    command = [kubectl, "version", "--client"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"Kustomize Version: v(\d+)", run.stdout)
    return int(found[1]) if found else 0


_MISSING = {
    "kubectl": None
    if _kustomize_release() >= _OLDEST_KUSTOMIZE
    else "kubectl of 1.21 or later is not installed (Debian 13: apt-get install kubernetes-client)",
    "promtool": None
    if shutil.which("promtool")
    else "promtool is not installed (Debian: apt-get install prometheus)",
    "redis": None
    if REDIS
    else "redis-server is not installed (Debian: apt-get install redis-server)",
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, all with one visible line, what needs a program that is not there."""
    for marker, reason in _MISSING.items():
        if reason is not None and item.get_closest_marker(marker):
            pytest.skip(reason)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT
