"""How much more several replicas answer than one."""

import os
from collections.abc import Sequence
from statistics import median

from tests.load.replicas.fleet import Fleet, has_room
from tests.load.report import Report, Table
from tests.load.tally import Cell
from tests.load.tenants import Tenant
from tests.load.traffic import Mix, Traffic

# Of as many times what one does, where each has CPUs of its own: 3.5 times for 4.
MIN_GAIN = 0.875
# Where they share the CPUs of the single one, the total is to stay, but for what processes cost.
MIN_TOTAL = 0.9


async def compare_throughput(
    report: Report,
    fleet: Fleet,
    tenants: Sequence[Tenant],
    *,
    clients: int,
    rounds: int,
    round_s: float,
    judged: bool,
) -> None:
    """Rounds of one replica and of all take turns, each behind nginx; rows, judged a promise."""
    one = Traffic(fleet.single_door.port, tenants, Mix(fresh=1))
    all_of_them = Traffic(fleet.door.port, tenants, Mix(fresh=1))
    speeds: dict[str, list[float]] = {"one": [], "all": []}
    for traffic in (one, all_of_them):  # once, so that every copy is there
        await traffic.closed_loop(clients, round_s / 4)
    for _ in range(rounds):
        speeds["one"].append((await one.closed_loop(clients, round_s)).throughput)
        speeds["all"].append((await all_of_them.closed_loop(clients, round_s)).throughput)
    count = len(fleet.replicas)
    gain = median(speeds["all"]) / median(speeds["one"])
    report.tables.append(
        Table(
            f"mixed requests, {clients} clients, rounds by turns",
            [
                _row("1 replica", fleet.single_threads, speeds["one"]),
                _row(f"{count} replicas", fleet.threads, speeds["all"]),
            ],
        )
    )
    report.promise_content("1 replica", one.tally)
    report.promise_content(f"{count} replicas", all_of_them.tally)
    if judged:
        cpus = len(os.sched_getaffinity(0))
        min_gain = MIN_GAIN * count if has_room(count) else MIN_TOTAL
        report.promise(
            f"{count} replicas answer at least {min_gain:g} of what 1 does, on {cpus} CPUs",
            gain >= min_gain,
            f"{gain:.2f}",
        )


def _row(name: str, threads: int, speeds: Sequence[float]) -> dict[str, Cell]:
    return {
        "of": name,
        "threads each": threads,
        "ok/s": round(median(speeds), 1),
        "rounds": " ".join(f"{speed:.1f}" for speed in speeds),
    }
