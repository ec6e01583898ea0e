"""How much of the engine's speed is left behind HTTP, and what a request costs besides."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from tests.load.engine_alone import best_batch, engine_alone
from tests.load.report import Report, Table
from tests.load.service_process import ServiceProcess
from tests.load.tally import Cell
from tests.load.tenants import TIMEOUT_S, Tenant, segment_request
from tests.load.traffic import Mix, Traffic
from tests.load.wire import Connection

MIN_SHARE = 0.9
MAX_WORK_SHARE = 0.1
MAX_WORK_MS = 5.0
_INFERENCE = ("encode", "head")
# Neither work nor inference: what a job waits for others that could share its batch.
_WAITING = ("queue",)


async def compare_throughput(
    report: Report,
    process: ServiceProcess,
    tenants: list[Tenant],
    bundle: Path,
    *,
    clients: int,
    rounds: int,
    round_s: float,
    judged: bool,
) -> None:
    """Rounds of the engine alone and of the service take turns; a row and, if judged, a promise.

    Both sides are asked for one class in one new image at a time.
    """
    by_batch = await best_batch(bundle, round_s / 2)
    batch = max(by_batch, key=lambda each: by_batch[each])
    single = [tenant for tenant in tenants if len(tenant.lessons) == 1]
    traffic = Traffic(process.port, single, Mix(registrations=0, fresh=1))
    alone_s, served_s = [], []
    async with engine_alone(bundle, batch=batch) as alone:
        await traffic.closed_loop(clients, round_s / 4)
        for _ in range(rounds):
            alone_s.append(await alone.throughput(round_s))
            served_s.append((await traffic.closed_loop(clients, round_s)).throughput)
    share = median(served_s) / median(alone_s)
    row: dict[str, Cell] = {f"alone, batch {b}": round(speed, 1) for b, speed in by_batch.items()}
    row |= {
        "alone, best": round(median(alone_s), 1),
        f"{clients} clients": round(median(served_s), 1),
        "share": round(share, 3),
        "rounds": " ".join(f"{s / a:.2f}" for s, a in zip(served_s, alone_s, strict=True)),
    }
    report.tables.append(Table("images a second, engine alone against the service", [row]))
    report.promise_content(f"{clients} clients", traffic.tally)
    if judged:
        report.promise(
            f"{clients} clients reach {MIN_SHARE:.0%} of the engine alone",
            share >= MIN_SHARE,
            f"{share:.1%}",
        )


async def measure_image_work(
    report: Report,
    process: ServiceProcess,
    tenants: list[Tenant],
    *,
    repeats: int,
    judged: bool,
    classes: str,
) -> None:
    """What a request of a single client costs apart from inference; a row, if judged a promise.

    `classes`: what is said of those of the tenants.
    """
    tenant = next(tenant for tenant in tenants if len(tenant.lessons) == 1)
    connection = Connection(process.port)
    walls: list[float] = []
    stages: list[dict[str, float]] = []
    for number in range(repeats):
        question = tenant.questions[number % len(tenant.questions)]
        content = segment_request(question.known.body, tenant.session_id)
        began = time.perf_counter()
        reply = await connection.ask(content, timeout_s=TIMEOUT_S)
        walls.append(1000 * (time.perf_counter() - began))
        stages.append(parse_server_timing(reply.headers.get("server-timing", "")))
    connection.close()
    inference, waiting = _sums(stages, _INFERENCE), _sums(stages, _WAITING)
    work = float(np.median(np.array(walls) - inference - waiting))
    share = work / float(np.median(inference))
    row: dict[str, Cell] = {"wall ms": round(median(walls), 2)}
    for name in stages[0]:
        row[f"{name} ms"] = round(float(np.median(_sums(stages, [name]))), 2)
    row |= {"apart from inference ms": round(work, 2), "of inference": f"{share:.1%}"}
    title = f"one client, one request at a time, {classes}, medians"
    report.tables.append(Table(title, [row]))
    if judged:
        report.promise(
            f"HTTP and image work under {MAX_WORK_SHARE:.0%} of inference, or {MAX_WORK_MS:g} ms",
            share < MAX_WORK_SHARE or work < MAX_WORK_MS,
            f"{work:.1f} ms, {share:.1%}",
        )


def _sums(stages: Sequence[Mapping[str, float]], names: Sequence[str]) -> NDArray[np.float64]:
    """Of these stages, for each request; a stage the service does not tell of counts nothing."""
    return np.array([sum(each.get(name, 0.0) for name in names) for each in stages])


def parse_server_timing(header: str) -> dict[str, float]:
    """Milliseconds by stage."""
    found = {}
    for entry in header.split(","):
        name, _, rest = entry.strip().partition(";")
        for parameter in rest.split(";"):
            key, _, value = parameter.strip().partition("=")
            if key == "dur":
                found[name] = float(value)
    return found
