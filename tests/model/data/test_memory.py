"""The memory a process may still take is the machine's, or its control group's if that is less."""

import os
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


def test_pages_of_files_that_can_be_given_up_are_free(tmp_path: Path, memory_info: Path) -> None:
    for name, text in {
        "max": "5000000", "current": "4000000", "stat": "anon 900000\ninactive_file 3000000\n",
    }.items():  # fmt: skip
        (tmp_path / f"memory.{name}").write_text(text)
    assert available_memory(memory_info, tmp_path) == 4_000_000


def test_without_the_kernels_table_all_of_the_machine_counts(tmp_path: Path) -> None:
    every = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert available_memory(tmp_path / "meminfo", tmp_path) == every
