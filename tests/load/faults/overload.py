"""Ten times more requests than the service can take."""

import asyncio
import time

from tests.load.faults.case import HANG_S, Case
from tests.load.judgement import Kind
from tests.load.load import style_of
from tests.load.service_process import WITHOUT_CACHES, bundle_path, serving
from tests.load.tally import GOOD, Tally
from tests.load.traffic import Mix, Traffic
from tests.load.wire import Connection

DEADLINE_S = 10.0
MAX_REFUSAL_S = 1.0
MAX_RECOVERY_S = 5.0
_NORMAL = 3.0  # times the idle median counts as recovered
_POLL_S = 0.1


async def overload(case: Case) -> None:
    """Who is accepted is served in time, the others are told at once, and it is over at once."""
    options = case.options
    settings = {
        "FSS_BUNDLE": str(bundle_path(options.overload_bundle, case.folder)),
        "FSS_DEADLINE_S": f"{DEADLINE_S:g}",
        **WITHOUT_CACHES,
    }
    style = style_of(options.overload_bundle)._replace(images=options.overload_images)
    async with serving(case.folder, settings) as process:
        tenants = await case.tenants(process.port, style)
        traffic = Traffic(process.port, tenants, Mix(registrations=0, timeout_s=HANG_S))
        idle = await traffic.closed_loop(1, options.spell_s / 2)
        capacity = await traffic.closed_loop(options.clients, options.spell_s)
        rate = options.overload_factor * capacity.throughput
        over = await traffic.open_loop(rate, options.overload_s)
        # The loop ends when its last request is answered; what is left then is the recovery.
        recovery_s = await _recovery(traffic, idle.percentile_ms(50) / 1000)
    case.promise_content("capacity", capacity)
    case.row(f"{rate:.0f} a second", over)
    _promise(case, over)
    case.promise(
        f"recovers within {MAX_RECOVERY_S:g} s",
        over.drain_s + recovery_s <= MAX_RECOVERY_S,
        f"{over.drain_s:.2f} s to answer the last, {recovery_s:.2f} s to answer as when idle",
    )


def _promise(case: Case, over: Tally) -> None:
    offered = len(over.outcomes) / (over.seconds - over.drain_s)
    case.promise(
        "accepted requests keep p99 within the deadline",
        over.good > 0 and over.percentile_ms(99) <= 1000 * DEADLINE_S,
        f"{over.good} accepted, p99 {over.percentile_ms(99) / 1000:.2f} of {DEADLINE_S:g} s",
    )
    refusal_s = over.percentile_ms(99, [Kind.REFUSED]) / 1000
    case.promise(
        f"the rest get 429 or 503 within {MAX_REFUSAL_S:g} s (p99)",
        over.count(Kind.REFUSED) > 0
        and refusal_s <= MAX_REFUSAL_S
        and not any(o.verdict.detail.startswith("504") for o in over.outcomes),
        f"{over.refusals()}; p99 {refusal_s:.2f} s; {offered:.0f} requests a second",
    )
    bad = len(over.outcomes) - over.count(*GOOD, Kind.REFUSED)
    case.promise("nothing hangs, is wrong or fails", bad == 0, "; ".join(over.complaints()) or "0")


async def _recovery(traffic: Traffic, idle_s: float) -> float:
    """Seconds until a request is answered about as fast as when idle."""
    began = time.monotonic()
    connection = Connection(traffic.port)
    while time.monotonic() - began < HANG_S:
        await traffic.ask_one(connection, time.monotonic())
        last = traffic.tally.outcomes[-1]
        if last.verdict.kind in GOOD and last.seconds <= _NORMAL * idle_s:
            break
        await asyncio.sleep(_POLL_S)
    connection.close()
    return time.monotonic() - began
