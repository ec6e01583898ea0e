"""Replicas and Redis end and come back while clients ask, which need nothing but patience."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from redis.asyncio import Redis

from tests.load.faults.case import all_answered, background
from tests.load.replicas.fleet import Fleet
from tests.load.replicas.own_client import OwnClient, asking
from tests.load.report import Report, Table
from tests.load.service_process import ServiceProcess
from tests.load.tally import Cell, Tally
from tests.load.tenants import SHOTS, TIMEOUT_S, Tenant
from tests.load.traffic import Mix, Traffic
from tests.load.wire import Connection, request

# Longer than any one part is away, its start included.
PATIENCE_S = 120.0
_POLL_S = 0.05


async def fail_over(
    report: Report,
    fleet: Fleet,
    tenants: Sequence[Tenant],
    *,
    clients: int,
    rounds: int,
    spell_s: float,
    seed: int,
) -> None:
    """One fault after the other under load, then everything that must still be there."""
    mix = Mix(registrations=0.3, patience_s=PATIENCE_S)
    traffic = Traffic(fleet.door.port, tenants, mix, seed)
    rows: list[dict[str, Cell]] = []
    sessions = await _sessions_in(fleet.redis.url)
    own = OwnClient(fleet.door.port)
    async with background(traffic, clients), asking(own):
        for name, fault in _faults(fleet, rounds, spell_s):
            before = len(traffic.tally.outcomes)
            await fault()
            await _until_answered(traffic, spell_s, clients)
            during = Tally(0.0, traffic.tally.outcomes[before:])
            rows.append({"fault": name, **_figures(during)})
    report.tables.append(Table(f"faults under {clients} clients that try again", rows))
    everything = traffic.tally
    report.promise_content("during all faults", everything)
    report.promise(
        "no request failed in the end",
        everything.good == len(everything.outcomes) > 0,
        f"{len(everything.outcomes) - everything.good} of {len(everything.outcomes)}, "
        f"{everything.repeated} were sent again",
    )
    report.promise(
        "the project's client raises nothing",
        own.calls > 0 and not own.failures,
        "; ".join([f"{own.calls} calls", *own.failures[:3]]),
    )
    sessions += own.sessions  # those of the raw clients have come and gone
    left = await _sessions_in(fleet.redis.url)
    report.promise("nothing was registered twice", left == sessions, f"{left} of {sessions} left")
    await _promise_sessions(report, fleet, tenants)


async def _until_answered(traffic: Traffic, spell_s: float, clients: int) -> None:
    """A while, and until every client may have had an answer since the fault was over."""
    before = len(traffic.tally.outcomes)
    await asyncio.sleep(spell_s)
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        if len(traffic.tally.outcomes) >= before + clients:
            break
        await asyncio.sleep(_POLL_S)


def _faults(
    fleet: Fleet, rounds: int, spell_s: float
) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """Every replica in turn, told to end or killed by turns, and Redis at the end of a round."""
    for turn in range(rounds):
        for number, replica in enumerate(fleet.replicas):
            if (number + turn) % 2:
                yield f"kill -9 of replica {number + 1}", partial(_kill, replica, spell_s)
            else:
                yield f"SIGTERM to replica {number + 1}", partial(_end, replica, spell_s)
        yield "kill -9 of Redis", partial(_kill_redis, fleet, spell_s)


async def _end(replica: ServiceProcess, away_s: float) -> None:
    await asyncio.to_thread(replica.stop)
    await asyncio.sleep(away_s)
    await replica.start()


async def _kill(replica: ServiceProcess, away_s: float) -> None:
    replica.kill()
    await asyncio.sleep(away_s)
    await replica.start()


async def _kill_redis(fleet: Fleet, away_s: float) -> None:
    fleet.redis.kill()
    await asyncio.sleep(away_s)
    await fleet.redis.start()


def _figures(tally: Tally) -> dict[str, Cell]:
    row = tally.row()
    kept = ("requests", "ok", "exact", "refused or failed by code", "wrong", "mixed up", "lost")
    return {
        **{name: row[name] for name in kept},
        "sent again": tally.repeated,
        "p50 ms": row["p50 ms"],
        "max ms": row["max ms"],
    }


async def _promise_sessions(report: Report, fleet: Fleet, tenants: Sequence[Tenant]) -> None:
    """Every session answers at every replica, and has its shots once."""
    for number, replica in enumerate(fleet.replicas, start=1):
        answers = await all_answered(Traffic(replica.port, tenants, Mix(fresh=0)))
        report.promise_content(f"all sessions afterwards, replica {number}", answers)
    connection = Connection(fleet.door.port)
    shots = [await _shots_of(connection, tenant) for tenant in tenants]
    connection.close()
    wanted = [{lesson.class_name: SHOTS for lesson in tenant.lessons} for tenant in tenants]
    report.promise(
        "no session or shot is lost",
        shots == wanted,
        f"{sum(map(len, shots))} classes of {sum(map(len, wanted))}",
    )


async def _shots_of(connection: Connection, tenant: Tenant) -> dict[str, int]:
    reply = await connection.ask(
        request("GET", f"/sessions/{tenant.session_id}"), timeout_s=TIMEOUT_S
    )
    classes = json.loads(reply.body)["classes"] if reply.status == 200 else []
    return {entry["class_name"]: entry["shots"] for entry in classes}


async def _sessions_in(url: str) -> int:
    """How many sessions there are in a Redis."""
    async with Redis.from_url(url) as client:
        return sum([1 async for _ in client.scan_iter("fss:session:*")])
