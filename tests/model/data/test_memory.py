"""The memory a process may still take is the machine's, or its control group's if that is less."""

from pathlib import Path

import pytest

from model.data.memory import available_memory

MACHINE = 8_000 * 1024


@pytest.fixture
def memory_info(tmp_path: Path) -> Path:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:  9000 kB\nMemAvailable:    8000 kB\nHugePages_Total: 0\n")
    return path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("5000000", 4_000_000), ("90000000", MACHINE), ("max", MACHINE), (None, MACHINE)],
)
def test_the_smaller_limit_counts(
    tmp_path: Path, memory_info: Path, limit: str | None, expected: int
) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text("1000000\n")
    assert available_memory(memory_info, tmp_path) == expected
