"""The number of CPUs that this process may use."""

import math
import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


def available_cpus(cgroup_root: Path = CGROUP_ROOT) -> int:
    """CPUs granted by affinity and by the cgroup's quota (v2 or v1), at least 1.

    The host's core count is wrong inside a container: with a quota of 2 on a host of 64, 64
    threads spend their share in the first milliseconds of every period and then all wait.
    """
    granted = len(os.sched_getaffinity(0))
    quota = _quota_v2(cgroup_root) or _quota_v1(cgroup_root)
    return max(1, granted if quota is None else min(granted, math.ceil(quota)))


def _quota_v2(root: Path) -> float | None:
    try:
        limit, period = (root / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(root: Path) -> float | None:
    try:
        limit = int((root / "cpu" / "cpu.cfs_quota_us").read_text())
        period = int((root / "cpu" / "cpu.cfs_period_us").read_text())
        return limit / period if limit > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
