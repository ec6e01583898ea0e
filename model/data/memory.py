"""How much memory a process may still take."""

from pathlib import Path

_MEMORY_INFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def available_memory(memory_info: Path = _MEMORY_INFO, group: Path = _GROUP) -> int:
    """Free bytes: the lesser of the machine's and of this process's control group's.

    Args:
        memory_info: the kernel's table, from which `MemAvailable` is read.
        group: folder of the control group (version 2); ignored if it has no limit.
    """
    fields = dict(line.split(":", 1) for line in memory_info.read_text().splitlines())
    machine = int(fields["MemAvailable"].split()[0]) * 1024
    try:
        limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        return min(machine, int(limit) - int(used))
    except (OSError, ValueError):  # no control group, or `max`: no limit
        return machine
