"""An engine's worker thread dies in the middle of its work, again and again."""

import asyncio
import signal
import time

from tests.load.faults.case import DEADLINE_S, HANG_S, Case, all_answered, background, longest_s
from tests.load.judgement import Kind
from tests.load.launcher import KILLED
from tests.load.service_process import (
    WITHOUT_CACHES,
    ServiceProcess,
    ServiceProcessError,
    bundle_path,
    serving,
)
from tests.load.tally import Tally
from tests.load.traffic import Mix, Traffic

LAUNCH = ("-m", "tests.load.launcher")
MAX_DOWN_S = 5.0
MAX_ERROR_S = 5.0
_POLL_S = 0.02
_STRUCK_S = 0.1  # by then the exception has struck
_AT_WORK_S = 0.2  # between two deaths the worker is to work again, not to be on its way back
_MAX_TRIES = 10


async def kill_worker(case: Case) -> None:
    """Callers of its batch are told at once, and the service is ready again within seconds."""
    bundle = str(bundle_path(case.options.bundle, case.folder))
    settings = {"FSS_BUNDLE": bundle, "FSS_DEADLINE_S": f"{DEADLINE_S:g}", **WITHOUT_CACHES}
    async with serving(case.folder, settings, launch=LAUNCH) as process:
        tenants = await case.tenants(process.port)
        traffic = Traffic(process.port, tenants, Mix(timeout_s=HANG_S), case.options.seed)
        down_s: list[float] = []
        async with background(traffic, case.options.clients):
            for _ in range(case.options.kills):
                await asyncio.sleep(case.options.spell_s / case.options.kills)
                down_s += await _kill_in_a_batch(process, traffic)
        during = Tally(0.0, list(traffic.tally.outcomes))
        case.row("during", during)
        case.promise(
            f"ready again within {MAX_DOWN_S:g} s",
            max(down_s) <= MAX_DOWN_S,
            f"{max(down_s):.2f} s",
        )
        _promise_errors(case, during, len(down_s))
        case.promise_content("after", await all_answered(traffic))


def _promise_errors(case: Case, during: Tally, deaths: int) -> None:
    """Who was in the batch gets an error; nobody hangs, nobody gets another's answer."""
    slowest = longest_s(during, Kind.FAILED, Kind.REFUSED)
    told = during.count(Kind.FAILED, Kind.REFUSED)
    case.promise(
        f"callers of its batch get an error within {MAX_ERROR_S:g} s",
        told > 0 and slowest <= MAX_ERROR_S,
        f"{told} in {deaths} deaths: {during.refusals()}; slowest {slowest:.2f} s",
    )
    astray = during.count(Kind.LOST, Kind.WRONG, Kind.MIXED)
    case.promise("nothing lost, wrong or mixed up", astray == 0, f"{astray}")


async def _kill_in_a_batch(process: ServiceProcess, traffic: Traffic) -> list[float]:
    """Kill the worker until it had a batch in hand, which its callers tell; seconds it was down."""
    before = len(traffic.tally.outcomes)
    down_s: list[float] = []
    while len(down_s) < _MAX_TRIES:
        await asyncio.sleep(_AT_WORK_S)
        await _kill(process)
        began = time.monotonic()
        await asyncio.sleep(_STRUCK_S)
        await process.wait_ready(HANG_S)
        down_s.append(time.monotonic() - began)
        if Tally(0.0, traffic.tally.outcomes[before:]).count(Kind.FAILED, Kind.REFUSED):
            break
    return down_s


async def _kill(process: ServiceProcess) -> None:
    """Send the signal, and wait until the exception is on its way to the thread."""
    before = len(process.log_lines())
    process.signal(signal.SIGUSR1)
    deadline = time.monotonic() + MAX_DOWN_S
    while not any(line == KILLED for line in process.log_lines()[before:]):
        if time.monotonic() > deadline:
            raise ServiceProcessError("the service has no engine thread that could be killed")
        await asyncio.sleep(_POLL_S)
