"""`chaos`: one fault after the other, each against a service of its own."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.load.faults.case import Case, ChaosOptions
from tests.load.faults.disk import full_disk
from tests.load.faults.overload import overload
from tests.load.faults.slow_clients import slow_clients
from tests.load.faults.store import kill_redis, kill_service
from tests.load.faults.worker import kill_worker
from tests.load.judgement import UnusableAnswerError
from tests.load.report import Report, Table
from tests.load.service_process import ServiceProcessError
from tests.load.tally import Cell

CASES: dict[str, Callable[[Case], Awaitable[None]]] = {
    "worker": kill_worker,
    "redis": kill_redis,
    "restart": kill_service,
    "disk": full_disk,
    "slow": slow_clients,
    "overload": overload,
}


async def run_chaos(options: ChaosOptions, folder: Path) -> Report:
    """Run the cases asked for, or all; one that cannot run breaks its promise and no other's."""
    report = Report("chaos")
    rows: list[dict[str, Cell]] = []
    for name in options.cases or CASES:
        own = folder / name
        own.mkdir()
        case = Case(name, options, own, report, rows)
        try:
            await CASES[name](case)
        except (ServiceProcessError, UnusableAnswerError) as exc:
            case.promise("can be tried", False, str(exc).splitlines()[0])
    if rows:
        report.tables.append(Table(f"{options.bundle} bundle", rows))
    return report
