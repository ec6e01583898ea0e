"""Many clients send their bodies a byte at a time."""

import asyncio
import time
from typing import NamedTuple

from tests.load.faults.case import HANG_S, Case
from tests.load.service_process import bundle_path, serving
from tests.load.traffic import Mix, Traffic
from tests.load.wire import HOST

MAX_SLOWDOWN = 1.5
_BYTE_S = 1.0
_MAX_LATE_S = 3.0
_HEAD = (
    b"POST /segment HTTP/1.1\r\nHost: localhost\r\nX-Session-ID: none\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n"
)
_BODY = b'--b\r\nContent-Disposition: form-data; name="images"; filename="i"\r\n\r\n' + bytes(1000)


class _End(NamedTuple):
    """How a slow client was sent away: the status, if any, and after how many seconds."""

    status: int | None
    seconds: float


async def slow_clients(case: Case) -> None:
    """Others do not notice, and the slow ones are sent away when their time is up."""
    upload_s = 2 * case.options.spell_s
    settings = {
        "FSS_BUNDLE": str(bundle_path(case.options.bundle, case.folder)),
        "FSS_UPLOAD_S": f"{upload_s:g}",
    }
    async with serving(case.folder, settings) as process:
        traffic = Traffic(process.port, await case.tenants(process.port), Mix(timeout_s=HANG_S))
        clients = case.options.clients
        await traffic.closed_loop(clients, case.options.spell_s / 4)
        before = await traffic.closed_loop(clients, case.options.spell_s)
        slow = [
            asyncio.create_task(_trickle(process.port, upload_s))
            for _ in range(case.options.slow_clients)
        ]
        await asyncio.sleep(_BYTE_S)
        during = await traffic.closed_loop(clients, case.options.spell_s)
        still = sum(not task.done() for task in slow)
        ends = await asyncio.gather(*slow)
    case.promise_content("alone", before)
    case.promise_content(f"beside {still} slow clients", during)
    ratio = during.percentile_ms(50) / before.percentile_ms(50)
    case.promise(
        f"normal clients at most {MAX_SLOWDOWN:g} times slower beside {still} slow ones",
        still == case.options.slow_clients and ratio <= MAX_SLOWDOWN,
        f"median {before.percentile_ms(50):.0f} -> {during.percentile_ms(50):.0f} ms",
    )
    latest = max(end.seconds for end in ends)
    sent_away = sum(end.status == 504 for end in ends)
    case.promise(
        f"slow clients get 504 after {upload_s:g} s",
        sent_away == len(ends) and latest <= upload_s + _MAX_LATE_S,
        f"{sent_away} of {len(ends)}, the last after {latest:.1f} s",
    )


async def _trickle(port: int, upload_s: float) -> _End:
    """Send a byte a second until the service has had enough."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(_HEAD)
    answer = asyncio.create_task(reader.read(64))
    status = None
    try:
        for byte in _BODY:
            writer.write(bytes([byte]))
            done, _ = await asyncio.wait({answer}, timeout=_BYTE_S)
            if done or time.monotonic() - began > upload_s + HANG_S:
                break
        status = int(answer.result().split()[1]) if answer.done() else None
    except (OSError, IndexError):
        pass  # closed without an answer
    finally:
        answer.cancel()
        writer.close()
    return _End(status, time.monotonic() - began)
