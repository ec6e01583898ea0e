"""The question of where a large fleet breaks first: designs under rising load, then faults."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rich.table import Table

from service.planning.defaults import Routing
from service.planning.report import table
from service.planning.simulation.run import Outcome, simulate
from service.planning.simulation.scenario import FAULTS, Scenario
from service.units import GIB

LOADS = (0.01, 0.1, 0.5, 0.75, 0.9, 1.1)
_SWEEP_S = 5.0
_FAULT_LOAD = 0.6
_FAULT_S = {"none": 15.0, "redis": 25.0, "replicas": 20.0, "cold": 15.0, "upgrade": 45.0}
_FAULT_AT_S, _DOWN_S = 10.0, 3.0


class Design(NamedTuple):
    """A way to run the fleet."""

    name: str
    routing: Routing
    redis: int
    copies_bytes: float


class Row(NamedTuple):
    """What came of one run."""

    design: str
    fault: str
    load: float
    outcome: Outcome


def designs(cells: int, copies_bytes: float) -> tuple[Design, ...]:
    """From one Redis behind random routing to cells, affinity and room for all copies."""
    return (
        Design("one Redis, random", "random", 1, GIB),
        Design(f"{cells} cells, random", "random", cells, GIB),
        Design(f"{cells} cells, affinity", "affinity", cells, GIB),
        Design(f"{cells} cells, affinity, all copies", "affinity", cells, copies_bytes),
    )


def runs(base: Scenario, chosen: Sequence[Design]) -> list[tuple[Design, Scenario, float]]:
    """Every design under rising load, and the last one under every fault."""
    found = []
    for design in chosen:
        made = _scenario(base, design).model_copy(update={"seconds": _SWEEP_S})
        found += [(design, made.at_load(load), load) for load in LOADS]
    best = _scenario(base, chosen[-1]).at_load(_FAULT_LOAD)
    for fault in FAULTS:
        times = {"fault_at_s": _FAULT_AT_S, "fault_s": _DOWN_S, "seconds": _FAULT_S[fault]}
        made = best.model_copy(update={"fault": fault, **times})
        found.append((chosen[-1], made, _FAULT_LOAD))
    return found


def study(
    asked: Sequence[tuple[Design, Scenario, float]], advance: Callable[[], None] = lambda: None
) -> Iterator[Row]:
    """One row for each run, in order."""
    for design, scenario, load in asked:
        yield Row(design.name, scenario.fault, load, simulate(scenario))
        advance()


def study_tables(rows: Sequence[Row]) -> list[Table]:
    """Rising load, then faults."""
    columns = ("design", "load", "served", "503s", "p50", "p99", "device", "Redis", "copies")
    faults = rows[len(rows) - len(FAULTS) :]
    rising = [(row.design, f"{row.load:.0%}", *_cells(row.outcome)) for row in rows[: -len(FAULTS)]]
    faulty = [
        (row.fault, f"{row.load:.0%}", *_cells(row.outcome), _recovered(row.outcome))
        for row in faults
    ]
    return [
        table("Rising load, share of what devices and cores can do", columns, rising),
        table(f"Faults: {faults[0].design}", ("fault", *columns[1:], "normal after"), faulty),
    ]


def _scenario(base: Scenario, design: Design) -> Scenario:
    update = {"routing": design.routing, "copies_bytes": design.copies_bytes}
    workload = base.workload.model_copy(update=update)
    return base.model_copy(update={"workload": workload, "redis": design.redis})


def _cells(outcome: Outcome) -> tuple[str, ...]:
    return (
        f"{outcome.served:.1%}",
        f"{outcome.refused:.2f}",
        f"{1000 * outcome.p50_s:.0f} ms",
        f"{1000 * outcome.p99_s:.0f} ms",
        f"{outcome.device:.0%}",
        f"{outcome.redis:.0%}",
        f"{outcome.copy_hits:.0%}",
    )


def _recovered(outcome: Outcome) -> str:
    return "never" if outcome.recovered_s is None else f"{outcome.recovered_s:.0f} s"
