"""What a process holds, from /proc."""

from pathlib import Path
from typing import NamedTuple


class ProcessFigures(NamedTuple):
    """Resident memory in MiB, open file descriptors, threads."""

    resident_mib: float
    descriptors: int
    threads: int


def figures_of(pid: int) -> ProcessFigures:
    """Of a process that runs."""
    folder = Path("/proc") / str(pid)
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    resident_kib = int(status["VmRSS"].split()[0])
    descriptors = sum(1 for _ in (folder / "fd").iterdir())
    return ProcessFigures(resident_kib / 1024, descriptors, int(status["Threads"]))
