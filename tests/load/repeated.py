"""What an image costs that was asked about before, beside one that was not."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from statistics import median

from tests.load.report import Report, Table
from tests.load.service_process import ServiceProcess
from tests.load.tally import Cell
from tests.load.tenants import TIMEOUT_S, Tenant, segment_request, teach_again
from tests.load.wire import Connection

MAX_SHARE = 0.5


async def measure_repeats(
    report: Report, process: ServiceProcess, tenants: list[Tenant], *, images: int, judged: bool
) -> None:
    """Every image three times in a row, one class, one client; a row and, if judged, a promise.

    The third time it is asked about by another session, which finds it encoded, but not segmented.
    The service must not have seen the images yet.
    """
    single = [tenant for tenant in tenants if len(tenant.lessons) == 1]
    others = await teach_again(process.port, single)
    connection = Connection(process.port)
    new_ms: list[float] = []
    repeated_ms: list[float] = []
    other_ms: list[float] = []
    for own, other in islice(_asked(single, others), images):
        for content, times in ((own, new_ms), (own, repeated_ms), (other, other_ms)):
            began = time.perf_counter()
            await connection.ask(content, timeout_s=TIMEOUT_S)
            times.append(1000 * (time.perf_counter() - began))
    connection.close()
    share = median(repeated_ms) / median(new_ms)
    row: dict[str, Cell] = {
        "images": len(new_ms),
        "new ms": round(median(new_ms), 2),
        "repeated ms": round(median(repeated_ms), 2),
        "share": round(share, 3),
        "by another session ms": round(median(other_ms), 2),
        "its share": round(median(other_ms) / median(new_ms), 3),
    }
    report.tables.append(Table("an image that was seen, over HTTP", [row]))
    if judged:
        report.promise(
            f"a repeated image takes at most {MAX_SHARE:.0%} of the time of a new one",
            share <= MAX_SHARE,
            f"{share:.1%}",
        )


def _asked(tenants: Sequence[Tenant], others: Sequence[Tenant]) -> Iterator[tuple[bytes, bytes]]:
    """A request of each image, and the same by another session that was taught the same."""
    for tenant, other in zip(tenants, others, strict=True):
        for question in tenant.questions:
            for each in (question.known, *question.fresh):
                own, same = (segment_request(each.body, t.session_id) for t in (tenant, other))
                yield own, same
