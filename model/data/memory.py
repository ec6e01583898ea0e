"""How much memory a process may still take."""

import os
from pathlib import Path

_MEMORY_INFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def available_memory(memory_info: Path = _MEMORY_INFO, group: Path = _GROUP) -> int:
    """Free bytes: the lesser of the machine's and of this process's control group's.

    Pages of files that were not used lately count as free, as the kernel gives them up first.

    Args:
        memory_info: the kernel's table, from which `MemAvailable` is read; without it, as on other
            systems than Linux, all of the machine's memory counts.
        group: folder of the control group (version 2); ignored if it has no limit.
    """
    machine = _of_machine(memory_info)
    try:
        limit, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):  # no control group, or `max`: no limit
        return machine
    return min(machine, limit - used + _inactive_pages(group))


def _inactive_pages(group: Path) -> int:
    try:
        return int(_table(group / "memory.stat", " ").get("inactive_file", "0"))
    except OSError:
        return 0


def _of_machine(memory_info: Path) -> int:
    try:
        return int(_table(memory_info, ":")["MemAvailable"].split()[0]) * 1024
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _table(path: Path, separator: str) -> dict[str, str]:
    """The lines of one of the kernel's files, by what is before the separator."""
    return dict(line.split(separator, 1) for line in path.read_text().splitlines())
