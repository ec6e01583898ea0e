"""`replicas`: several services behind nginx on one Redis, their speed and their failures."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.load.load import style_of
from tests.load.replicas.failover import fail_over
from tests.load.replicas.fleet import Fleet, fleet_running
from tests.load.replicas.redis_cost import measure_redis
from tests.load.replicas.throughput import compare_throughput
from tests.load.report import Report
from tests.load.service_process import BundleName
from tests.load.tenants import TIMEOUT_S, prepare
from tests.load.wire import Connection, request


@dataclass(frozen=True)
class ReplicasOptions:
    """What `replicas` is asked to do; see its `--help`."""

    bundle: BundleName = "lite"
    replicas: int = 4
    clients: int = 8
    tenants: int = 6
    rounds: int = 3
    duration_s: float = 20.0
    fault_rounds: int = 2
    spell_s: float = 3.0
    seed: int = 0
    quiet: bool = False


async def run_replicas(options: ReplicasOptions, folder: Path) -> Report:
    """Measure, break, and say which promises were kept."""
    report = Report("replicas")
    async with fleet_running(folder, options.bundle, options.replicas) as fleet:
        tenants = await prepare(
            fleet.single_door.port,
            tenants=options.tenants,
            questions=2,
            style=style_of(options.bundle),
            seed=options.seed,
            quiet=options.quiet,
        )
        await _promise_shared_counts(report, fleet)
        await measure_redis(report, fleet, tenants)
        if options.rounds:
            await compare_throughput(
                report,
                fleet,
                tenants,
                clients=options.clients,
                rounds=options.rounds,
                round_s=options.duration_s,
                judged=options.bundle != "tiny",
            )
        if options.fault_rounds:
            await fail_over(
                report,
                fleet,
                tenants,
                clients=options.clients,
                rounds=options.fault_rounds,
                spell_s=options.spell_s,
                seed=options.seed,
            )
    return report


async def _promise_shared_counts(report: Report, fleet: Fleet) -> None:
    """What a client asks of one replica counts at all of them."""
    left = []
    for replica in fleet.replicas:
        connection = Connection(replica.port)
        reply = await connection.ask(request("GET", "/models"), timeout_s=TIMEOUT_S)
        connection.close()
        found = re.search(r"r=(\d+)", reply.headers.get("ratelimit", ""))
        left.append(int(found[1]) if found else 0)
    report.promise(
        "replicas share the counts of rate limits",
        left == list(range(left[0], left[0] - len(left), -1)),
        "left: " + ", ".join(map(str, left)),
    )
