"""`soak`: sessions come and go for long, and memory stays where it was."""

import asyncio
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tests.load.load import style_of
from tests.load.process_figures import ProcessFigures, figures_of
from tests.load.report import Report, Table
from tests.load.service_process import BundleName, ServiceProcess, bundle_path, serving
from tests.load.tally import Cell
from tests.load.tenants import prepare
from tests.load.traffic import Mix, Traffic
from tests.load.wire import Connection

MAX_GROWTH = 0.05
_ROWS = 10
# Fewer than come: half of the sessions are never deleted and have to make room for others.
_LIVING_SESSIONS = 100


@dataclass(frozen=True)
class SoakOptions:
    """What `soak` is asked to do; see its `--help`."""

    bundle: BundleName = "tiny"
    requests: int = 20_000
    sessions: int = 2_000
    settle: int = 2_000
    clients: int = 8
    tenants: int = 8
    seed: int = 0
    quiet: bool = False


async def run_soak(options: SoakOptions, folder: Path) -> Report:
    """Measure, and say whether memory grew."""
    report = Report("soak")
    settings = {
        "FSS_BUNDLE": str(bundle_path(options.bundle, folder)),
        "FSS_MAX_SESSIONS": str(_LIVING_SESSIONS + options.tenants),
    }
    async with serving(folder, settings) as process:
        tenants = await prepare(
            process.port,
            tenants=options.tenants,
            questions=3,
            style=style_of(options.bundle),
            seed=options.seed,
            quiet=options.quiet,
        )
        traffic = Traffic(process.port, tenants, Mix(), options.seed)
        samples = await _soak(traffic, process, options)
        report.tables.append(Table(f"{options.bundle} bundle", _sample_rows(samples)))
        report.tables.append(Table("all requests", [traffic.tally.row()]))
        report.promise_content("soak", traffic.tally)
        _promise_growth(report, samples, options)
    return report


async def _soak(
    traffic: Traffic, process: ServiceProcess, options: SoakOptions
) -> dict[int, ProcessFigures]:
    """Live sessions until enough requests are answered; figures by number of requests."""
    began = time.monotonic()
    per_life = max(1, options.requests // options.sessions - 3)
    outcomes = traffic.tally.outcomes
    marks = _marks(options)
    samples: dict[int, ProcessFigures] = {}
    numbers = itertools.count()
    progress = tqdm(total=options.requests, unit=" requests", disable=options.quiet, leave=False)

    async def client() -> None:
        connection = Connection(process.port)
        while len(outcomes) < options.requests:
            number = next(numbers)
            tenant = traffic.tenants[number % len(traffic.tenants)]
            await traffic.live(
                connection,
                tenant,
                questions=per_life,
                intended=time.monotonic(),
                delete=number % 4 >= 2,  # as many of one class as of three
            )
            progress.update(len(outcomes) - progress.n)
            while marks and len(outcomes) >= marks[0]:
                samples[marks.pop(0)] = figures_of(process.pid)
        connection.close()

    await asyncio.gather(*(client() for _ in range(options.clients)))
    progress.close()
    traffic.tally.seconds = time.monotonic() - began
    return samples


def _marks(options: SoakOptions) -> list[int]:
    """Numbers of requests at which to look; the first is where memory must have settled."""
    step = max(1, (options.requests - options.settle) // (_ROWS - 1))
    marks = list(range(options.settle, options.requests, step))
    return [*marks[: _ROWS - 1], options.requests]


def _sample_rows(samples: dict[int, ProcessFigures]) -> list[dict[str, Cell]]:
    first = next(iter(samples.values()))
    return [
        {
            "requests": number,
            "resident MiB": round(figures.resident_mib, 1),
            "growth": f"{figures.resident_mib / first.resident_mib - 1:+.1%}",
            "descriptors": figures.descriptors,
            "threads": figures.threads,
        }
        for number, figures in samples.items()
    ]


def _promise_growth(
    report: Report, samples: dict[int, ProcessFigures], options: SoakOptions
) -> None:
    first, last = samples[options.settle], samples[options.requests]
    growth = last.resident_mib / first.resident_mib - 1
    report.promise(
        f"memory after {options.requests} requests at most {MAX_GROWTH:.0%} over that after "
        f"{options.settle}",
        growth <= MAX_GROWTH,
        f"{first.resident_mib:.0f} -> {last.resident_mib:.0f} MiB, {growth:+.1%}",
    )
    report.promise(
        "descriptors and threads do not grow",
        last.descriptors <= first.descriptors and last.threads <= first.threads,
        f"{first.descriptors} -> {last.descriptors}, {first.threads} -> {last.threads}",
    )
