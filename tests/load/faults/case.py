"""What every case of `chaos` is given, and what it tells."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.load.judgement import Kind
from tests.load.report import Report
from tests.load.service_process import BundleName
from tests.load.tally import Cell, Tally
from tests.load.tenants import Style, Tenant, prepare
from tests.load.traffic import Traffic
from tests.load.wire import Connection

HANG_S = 30.0
"""A request that has no answer by then counts as lost; above any deadline the cases set."""
DEADLINE_S = 20.0


@dataclass(frozen=True)
class ChaosOptions:
    """What `chaos` is asked to do; see its `--help`."""

    bundle: BundleName = "tiny"
    cases: tuple[str, ...] = ()
    clients: int = 8
    spell_s: float = 4.0
    kills: int = 5
    slow_clients: int = 50
    overload_bundle: BundleName = "lite"
    overload_s: float = 60.0
    overload_images: int = 1
    overload_factor: float = 10.0
    seed: int = 0
    quiet: bool = False


@dataclass
class Case:
    """One fault: its name, where it may write, and the report it adds to."""

    name: str
    options: ChaosOptions
    folder: Path
    report: Report
    rows: list[dict[str, Cell]]

    def promise(self, name: str, kept: bool, figure: str) -> None:
        """Note a promise of this case."""
        self.report.promise(f"{self.name}: {name}", kept, figure)

    def row(self, phase: str, tally: Tally) -> None:
        """Add a row of figures."""
        self.rows.append({"case": self.name, "phase": phase, **tally.row()})

    def promise_content(self, phase: str, tally: Tally) -> None:
        """Add a row, and the promise that no answer of it is wrong, lost or an error."""
        self.row(phase, tally)
        self.report.promise_content(f"{self.name}, {phase}", tally)

    async def tenants(self, port: int, style: Style | None = None, count: int = 6) -> list[Tenant]:
        """Sessions of a service that idles."""
        return await prepare(
            port,
            tenants=count,
            questions=2,
            style=style or Style(fresh=2),
            seed=self.options.seed,
            quiet=self.options.quiet,
        )


@asynccontextmanager
async def background(traffic: Traffic, clients: int) -> AsyncIterator[None]:
    """A closed loop that runs for as long as the block does."""
    stop = asyncio.Event()
    loop = asyncio.create_task(traffic.until(stop, clients))
    try:
        yield
    finally:
        stop.set()
        await loop


async def all_answered(traffic: Traffic) -> Tally:
    """Every question of every session once."""
    before = len(traffic.tally.outcomes)
    connection = Connection(traffic.port)
    for tenant in traffic.tenants:
        for question in tenant.questions:
            await traffic.segment(connection, tenant, tenant.session_id, question=question)
    connection.close()
    return Tally(0.0, traffic.tally.outcomes[before:])


def longest_s(tally: Tally, *kinds: Kind) -> float:
    """The longest time any outcome of these kinds took; 0 if there are none."""
    return max((o.seconds for o in tally.outcomes if o.verdict.kind in kinds), default=0.0)
