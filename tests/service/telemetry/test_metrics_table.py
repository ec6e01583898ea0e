"""docs/metrics.md tells of every metric, its type and its labels, and of no other."""

from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from service.stores import MemoryStore
from service.telemetry import Metrics, RequestRecord, StageTimes
from service.telemetry.timing import StageInterval
from tests.service.scraping import parse
from tests.service.session_limits import LIMITS

TABLE = Path(__file__).parents[3] / "docs" / "metrics.md"


class Row(NamedTuple):
    """A metric as the table and as a scrape tell it."""

    kind: str
    labels: frozenset[str]


def documented() -> dict[str, Row]:
    rows = {}
    for line in TABLE.read_text().splitlines():
        if line.startswith("| `"):
            name, kind, labels, _, alert = (cell.strip() for cell in line.split("|")[1:-1])
            assert alert
            names = frozenset(label.strip("` ") for label in labels.split(",") if label)
            rows[name.strip("`")] = Row(kind, names)
    return rows


def exposed() -> dict[str, Row]:
    """Of metrics that have all counted something, so that each has samples."""
    stages = StageTimes()
    stages.add(StageInterval("decode", 0.0, 0.1))
    metrics = Metrics()
    metrics.describe_build(version="1", model="m@1", provider="cpu")
    metrics.watch_codec(lambda: 0)
    metrics.watch_decoded(lambda: 0)
    metrics.watch_refusals(lambda: 0)
    metrics.watch_keys(lambda: 1)
    metrics.watch_store(MemoryStore(LIMITS, max_sessions=1, max_bytes=1))
    metrics.finished(RequestRecord("GET", "/models", 503, 0.1, stages, "not_ready"))
    metrics.jobs.watch(["done"], lambda _: 1)
    metrics.jobs.image(0.1, failed=False)
    metrics.engine.of("m@1").batch("encode", "cpu", items=1, seconds=0.1)
    metrics.engine.of("m@1").waited("encode", "cpu", 0.1)
    metrics.engine.count_lookups(hits=1, misses=1)
    metrics.engine.of("m@1").restarted("cpu")
    metrics.engine.of("m@1").watch_queue("encode", "cpu", lambda: 0)
    metrics.engine.watch_cache(lambda: 0)
    metrics.engine.watch_device_memory("cpu", lambda: 0, 1)
    text = metrics.exposition("").text.decode()
    kinds = {family.name: family.type for family in text_string_to_metric_families(text)}
    return {
        name: Row(kinds[name.removesuffix("_total")], frozenset(labels))
        for name, labels in parse(text).labels.items()
    }


def test_table_is_the_registry() -> None:
    assert documented() == exposed()
