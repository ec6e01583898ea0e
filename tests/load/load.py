"""`load`: many clients at once, by turns and by chance, and what is left of the engine's speed."""

from dataclasses import dataclass, replace
from pathlib import Path

from tests.load.against_engine import compare_throughput, measure_image_work
from tests.load.repeated import measure_repeats
from tests.load.report import Report, Table
from tests.load.scenes import Size
from tests.load.service_process import (
    WITHOUT_CACHES,
    BundleName,
    ServiceProcess,
    bundle_path,
    serving,
)
from tests.load.tally import Cell, Tally
from tests.load.tenants import Style, Tenant, prepare, teach_again
from tests.load.traffic import Mix, Traffic

_OPEN_SHARE = 0.6  # of the closed loop's throughput, where no rate is given


@dataclass(frozen=True)
class LoadOptions:
    """What `load` is asked to do; see its `--help`."""

    bundle: BundleName = "lite"
    clients: int = 32
    duration_s: float = 20.0
    rate: float | None = None
    tenants: int = 12
    rounds: int = 3
    repeats: int = 30
    seed: int = 0
    quiet: bool = False


def style_of(bundle: BundleName) -> Style:
    """Photographs of 640 x 480 in JPEG for a real network, small PNG files for the tiny one."""
    return Style(Size(480, 640), "jpg", fresh=5) if bundle != "tiny" else Style()


async def run_load(options: LoadOptions, folder: Path) -> Report:
    """Measure, and say which promises were kept."""
    report = Report("load")
    bundle = bundle_path(options.bundle, folder)
    settings = {"FSS_BUNDLE": str(bundle)}
    judged = options.bundle != "tiny"  # beside a network without weight, HTTP is everything
    # Without its cache every image has to be encoded, as by the engine that is compared with.
    async with serving(folder, {**settings, **WITHOUT_CACHES}) as process:
        style = style_of(options.bundle)
        tenants = await _prepare(process, options, style)
        # The engine looks once at an image and classifies no pixels, so neither does the service
        # that it is compared with.
        whole = style._replace(mode="whole")
        seen_once = await _prepare(process, options, whole._replace(adapt="false"))
        if options.repeats:
            await measure_image_work(
                report,
                process,
                seen_once,
                repeats=options.repeats,
                judged=judged,
                classes="not adapted",
            )
            adapted = await _prepare(process, replace(options, tenants=1), whole)
            await measure_image_work(
                report,
                process,
                adapted,
                repeats=options.repeats,
                judged=False,
                classes="adapted, pixels classified",
            )
        if options.rounds:
            await compare_throughput(
                report,
                process,
                seen_once,
                bundle,
                clients=options.clients,
                rounds=options.rounds,
                round_s=options.duration_s / 2,
                judged=judged,
            )
    async with serving(folder, settings) as process:
        tenants = await teach_again(process.port, tenants)
        if options.repeats:
            await measure_repeats(report, process, tenants, images=options.repeats, judged=judged)
        await _mixed(report, Traffic(process.port, tenants, Mix(), options.seed), options)
    return report


async def _prepare(process: ServiceProcess, options: LoadOptions, style: Style) -> list[Tenant]:
    return await prepare(
        process.port,
        tenants=options.tenants,
        questions=4,
        style=style,
        seed=options.seed,
        quiet=options.quiet,
    )


async def _mixed(report: Report, traffic: Traffic, options: LoadOptions) -> None:
    """Everything at once, by turns and by chance."""
    closed = await traffic.closed_loop(options.clients, options.duration_s)
    rate = options.rate or max(1.0, _OPEN_SHARE * closed.throughput)
    opened = await traffic.open_loop(rate, options.duration_s)
    rows = [
        *_rows(f"closed, {options.clients} clients", closed),
        *_rows(f"open, {rate:.1f} a second", opened),
    ]
    title = f"mixed requests, {options.bundle} bundle, {options.tenants} sessions"
    report.tables.append(Table(title, rows))
    report.promise_content("mixed requests", traffic.tally)


def _rows(name: str, tally: Tally) -> list[dict[str, Cell]]:
    """All operations of a loop together, then segmentation alone."""
    segmenting = tally.where(lambda outcome: outcome.operation == "segment")
    return [
        {"loop": name, "of": "all", **tally.row()},
        {"loop": name, "of": "segment", **segmenting.row()},
    ]
