"""Threads of inference go behind those of requests, and never before other processes."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.engine.priority import lower_priority


def _niceness_from(start: int) -> int:
    """Of a thread that began with `start` and was lowered."""

    def lowered() -> int:
        os.setpriority(os.PRIO_PROCESS, 0, start)
        lower_priority()
        return os.getpriority(os.PRIO_PROCESS, 0)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lowered).result()


@pytest.mark.parametrize(("start", "lowered"), [(10, 15), (17, 19), (19, 19)])
def test_a_process_that_gives_way_already_does_so_further(start: int, lowered: int) -> None:
    assert _niceness_from(start) == lowered
