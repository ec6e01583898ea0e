"""What requests cost in Redis: round trips, and bytes to and fro."""

import time
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from redis.asyncio import Redis

from tests.load.replicas.fleet import Fleet
from tests.load.report import Report, Table
from tests.load.tally import Cell
from tests.load.tenants import Tenant
from tests.load.traffic import Mix, Traffic
from tests.load.wire import Connection

# What the service and its rate limits ask for; whatever else is counted, scripts do on the server.
_ASKED = ("evalsha", "hgetall")
# Of the requests to Redis that a rate limit makes: the hit, and what is left.
RATE_LIMIT_TRIPS = 2
_REPEATS = 5


class _Reading(NamedTuple):
    trips: int
    to_redis: int
    from_redis: int


async def measure_redis(report: Report, fleet: Fleet, tenants: Sequence[Tenant]) -> None:
    """Cold, warm and registering requests to one replica; a row each, and a promise of the warm.

    Args:
        tenants: none of which that replica has seen.
    """
    traffic = Traffic(fleet.replicas[0].port, tenants, Mix(fresh=0))
    connection = Connection(traffic.port)
    await traffic.learn(connection, tenants[0].lessons[0], None, time.monotonic())  # scripts load

    async def ask() -> None:
        for tenant in tenants:
            await traffic.segment(connection, tenant, tenant.session_id)

    async def ask_often() -> None:
        for _ in range(_REPEATS):
            await ask()

    async def learn() -> None:
        for lesson in chain.from_iterable(tenant.lessons for tenant in tenants):
            await traffic.learn(connection, lesson, None, time.monotonic())

    async with Redis.from_url(fleet.redis.url) as client:
        rows: list[dict[str, Cell]] = []
        for name, requests in (
            ("segment, session new to the replica", ask),
            ("segment, session known", ask_often),
            ("support, new session", learn),
        ):
            before, count = await _read(client), len(traffic.tally.outcomes)
            await requests()
            after = await _read(client)
            rows.append(_row(name, before, after, len(traffic.tally.outcomes) - count))
    connection.close()
    report.tables.append(Table("Redis, of one request (a rate limit's included)", rows))
    report.promise_content("requests one by one", traffic.tally)
    warm = float(rows[1]["round trips"])
    report.promise(
        "a session that a replica knows costs one round trip",
        warm == 1 + RATE_LIMIT_TRIPS,
        f"{warm:g}, {RATE_LIMIT_TRIPS} of them for the rate limit",
    )


async def _read(client: Redis) -> _Reading:
    commands = await client.info("commandstats")
    network = await client.info("stats")
    return _Reading(
        sum(commands.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in _ASKED),
        network["total_net_input_bytes"],
        network["total_net_output_bytes"],
    )


def _row(name: str, before: _Reading, after: _Reading, requests: int) -> dict[str, Cell]:
    trips, sent, received = (
        (late - early) / requests for early, late in zip(before, after, strict=True)
    )
    return {
        "request": name,
        "requests": requests,
        "round trips": round(trips, 2),
        "bytes to Redis": round(sent),
        "bytes from Redis": round(received),
    }
