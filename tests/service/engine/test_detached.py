"""Calls that may never return keep neither their caller nor the process from ending."""

import asyncio
import subprocess
import sys
import threading
from contextvars import ContextVar
from pathlib import Path

import pytest

from service.engine.detached import detached

TIMEOUT_S = 20
_noted: ContextVar[str] = ContextVar("noted")

HANGING = """
import asyncio, threading
from service.engine.detached import detached

async def main():
    call = asyncio.create_task(detached(threading.Event().wait, name="hangs"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "hangs" in {each.name for each in threading.enumerate()}
    call.cancel()
    await asyncio.wait([call])
    print("cancelled" if call.cancelled() else call.exception())

asyncio.run(main())
"""


def fail() -> None:
    raise ValueError("no")


async def test_results_errors_and_the_context_are_those_of_the_call() -> None:
    _noted.set("here")
    assert await detached(_noted.get, name="call") == "here"
    assert await detached(lambda: threading.current_thread().name, name="call") == "call"
    with pytest.raises(ValueError, match="no"):
        await detached(fail, name="call")


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    command = [sys.executable, "-c", HANGING]
    root = Path(__file__).parents[3]
    ended = subprocess.run(command, cwd=root, timeout=60, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "cancelled\n", "")


@pytest.mark.parametrize("failing", [False, True])
async def test_a_call_has_its_grace_once_it_is_cancelled(failing: bool) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go_on.wait(TIMEOUT_S)
        if failing:
            fail()

    call = asyncio.create_task(detached(work, name="work", grace_s=TIMEOUT_S))
    assert await asyncio.to_thread(begun.wait, TIMEOUT_S)
    call.cancel()
    ended, _ = await asyncio.wait([call], timeout=0.05)
    assert not ended
    go_on.set()
    await asyncio.wait([call], timeout=TIMEOUT_S)
    assert call.cancelled()
