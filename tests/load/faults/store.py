"""Redis dies and comes back; the service dies while it registers."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import NamedTuple

from tests.load.faults.case import DEADLINE_S, HANG_S, Case, all_answered, background, longest_s
from tests.load.faults.redis_process import redis_running
from tests.load.judgement import Kind
from tests.load.service_process import ServiceProcess, bundle_path, serving
from tests.load.tally import Tally
from tests.load.tenants import SHOTS, Tenant
from tests.load.traffic import Mix, Traffic
from tests.load.wire import Connection, request

MAX_REFUSAL_S = 5.0
MAX_RECOVERY_S = 5.0
_POLL_S = 0.1


async def kill_redis(case: Case) -> None:
    """Requests in between get 503 quickly; afterwards every session is there."""
    async with (
        redis_running(case.folder) as redis,
        serving(case.folder, _settings(case, redis.url)) as process,
    ):
        traffic = Traffic(process.port, await case.tenants(process.port), Mix(timeout_s=HANG_S))
        async with background(traffic, case.options.clients):
            await asyncio.sleep(case.options.spell_s / 2)
            redis.kill()
            gone = len(traffic.tally.outcomes)
            await asyncio.sleep(case.options.spell_s)
            during = Tally(case.options.spell_s, traffic.tally.outcomes[gone:])
            await redis.start()
            recovery_s = await _until_good(traffic)
        case.row("without Redis", during)
        slowest = longest_s(traffic.tally, Kind.REFUSED)
        case.promise(
            f"503 within {MAX_REFUSAL_S:g} s while Redis is away",
            during.count(Kind.REFUSED) > 0 and slowest <= MAX_REFUSAL_S,
            f"{during.refusals()}; slowest {slowest:.2f} s",
        )
        astray = traffic.tally.where(lambda o: o.verdict.kind != Kind.REFUSED)
        case.promise_content("answered", astray)
        case.promise(
            f"answers again within {MAX_RECOVERY_S:g} s",
            recovery_s <= MAX_RECOVERY_S,
            f"{recovery_s:.2f} s",
        )
        case.promise_content("sessions afterwards", await all_answered(traffic))


def _settings(case: Case, url: str) -> Mapping[str, str]:
    return {
        "FSS_BUNDLE": str(bundle_path(case.options.bundle, case.folder)),
        "FSS_STORE_URL": url,
        "FSS_DEADLINE_S": f"{DEADLINE_S:g}",
    }


async def _until_good(traffic: Traffic) -> float:
    """Seconds until a request is answered again."""
    began = time.monotonic()
    before = len(traffic.tally.outcomes)
    while time.monotonic() - began < HANG_S:
        if Tally(0.0, traffic.tally.outcomes[before:]).good:
            break
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - began


class _Learnt(NamedTuple):
    """A session, the tenant it is taught like, and how many of its lessons were answered 201."""

    session_id: str
    tenant: Tenant
    lessons: int


async def kill_service(case: Case) -> None:
    """Every registration that was answered is there after a new start, and none by half."""
    async with (
        redis_running(case.folder) as redis,
        serving(case.folder, _settings(case, redis.url)) as process,
    ):
        traffic = Traffic(process.port, await case.tenants(process.port), Mix(timeout_s=HANG_S))
        learnt: list[_Learnt] = []
        clients = [
            asyncio.create_task(_register(traffic, learnt)) for _ in range(case.options.clients)
        ]
        await asyncio.sleep(case.options.spell_s)
        process.kill()
        await asyncio.gather(*clients)
        start_s = await process.start()
        missing, half = await _missing_and_half(process, learnt)
        answered = sum(each.lessons for each in learnt)
        case.promise(
            "every registration that was answered is there",
            answered > 0 and missing == 0,
            f"{missing} of {answered} missing; started again in {start_s:.1f} s",
        )
        case.promise("no half class", half == 0, f"{half} in {len(learnt)} sessions")
        case.promise_content("sessions afterwards", await all_answered(traffic))
        case.promise_content("sessions of registrations", await _ask_some(traffic, learnt))


async def _register(traffic: Traffic, learnt: list[_Learnt]) -> None:
    """Teach new sessions until the service is gone; what was answered is noted at once."""
    connection = Connection(traffic.port)
    number = 0
    while True:
        tenant = traffic.tenants[number % len(traffic.tenants)]
        number += 1
        session_id: str | None = None
        for lessons, lesson in enumerate(tenant.lessons, start=1):
            session_id = await traffic.learn(connection, lesson, session_id, time.monotonic())
            if session_id is None:
                connection.close()
                return
            if lessons > 1:
                learnt.remove(_Learnt(session_id, tenant, lessons - 1))
            learnt.append(_Learnt(session_id, tenant, lessons))


async def _missing_and_half(process: ServiceProcess, learnt: list[_Learnt]) -> tuple[int, int]:
    """Classes that were answered and are gone; classes with another number of shots than sent."""
    connection = Connection(process.port)
    missing = half = 0
    for each in learnt:
        reply = await connection.ask(
            request("GET", f"/sessions/{each.session_id}"), timeout_s=HANG_S
        )
        classes = json.loads(reply.body)["classes"] if reply.status == 200 else []
        found = {entry["class_name"]: entry["shots"] for entry in classes}
        wanted = [lesson.class_name for lesson in each.tenant.lessons[: each.lessons]]
        missing += sum(name not in found for name in wanted)
        half += sum(shots != SHOTS for shots in found.values())
    connection.close()
    return missing, half


async def _ask_some(traffic: Traffic, learnt: list[_Learnt]) -> Tally:
    """Questions to sessions whose every lesson was answered."""
    before = len(traffic.tally.outcomes)
    connection = Connection(traffic.port)
    whole = [each for each in learnt if each.lessons == len(each.tenant.lessons)]
    for each in whole[-50:]:
        await traffic.segment(connection, each.tenant, each.session_id)
    connection.close()
    return Tally(0.0, traffic.tally.outcomes[before:])
