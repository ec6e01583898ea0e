"""An engine's own metrics: counted from many threads, read when a scrape asks."""

import logging
import threading

import pytest

from service.telemetry import EngineMetrics, Metrics
from tests.service.scraping import Scrape, parse

CPU = {"lane": "encode", "device": "cpu", "model": "m@1"}


def read(metrics: Metrics) -> Scrape:
    return parse(metrics.exposition("").text.decode())


def test_batches_and_waits() -> None:
    metrics = Metrics()
    metrics.engine.of("m@1").batch("encode", "cpu", items=3, seconds=0.2)
    metrics.engine.of("m@1").batch("encode", "cpu", items=64, seconds=0.4)
    metrics.engine.of("m@1").batch("head", "cpu", items=1, seconds=0.1)
    metrics.engine.of("m@1").waited("encode", "cpu", 0.003)
    found = read(metrics)
    assert found.value("fss_engine_batch_items_count", **CPU) == 2
    assert found.value("fss_engine_batch_items_sum", **CPU) == 67
    assert found.value("fss_engine_batch_items_bucket", le="2.0", **CPU) == 0
    assert found.value("fss_engine_batch_items_bucket", le="4.0", **CPU) == 1
    assert found.value("fss_engine_batch_items_bucket", le="64.0", **CPU) == 2
    assert found.value("fss_engine_batch_seconds_sum", **CPU) == pytest.approx(0.6)
    assert found.value("fss_engine_wait_seconds_bucket", le="0.005", **CPU) == 1


def test_cache_and_restarts() -> None:
    metrics = Metrics()
    metrics.engine.count_lookups(hits=2, misses=5)
    metrics.engine.count_lookups(hits=1, misses=0)
    metrics.engine.of("m@1").restarted("cuda:0")
    found = read(metrics)
    assert found.value("fss_engine_cache_lookups_total", outcome="hit") == 3
    assert found.value("fss_engine_cache_lookups_total", outcome="miss") == 5
    assert found.value("fss_engine_restarts_total", device="cuda:0", model="m@1") == 1


def test_gauges_are_read_at_the_scrape() -> None:
    metrics, waiting = Metrics(), [1, 2]
    metrics.engine.of("m@1").watch_queue("encode", "cpu", lambda: len(waiting))
    metrics.engine.watch_cache(lambda: 1000)
    metrics.engine.watch_device_memory("cuda:0", lambda: 2000, 8000)
    assert read(metrics).value("fss_engine_queue_depth", **CPU) == 2
    waiting.clear()
    found = read(metrics)
    assert found.value("fss_engine_queue_depth", **CPU) == 0
    assert found.value("fss_engine_cache_bytes") == 1000
    assert found.value("fss_engine_device_memory_bytes", device="cuda:0") == 2000
    assert found.value("fss_engine_device_memory_total_bytes", device="cuda:0") == 8000


def test_a_restarted_worker_is_watched_in_place_of_the_dead_one() -> None:
    metrics = Metrics()
    metrics.engine.of("m@1").watch_queue("encode", "cpu", lambda: 7)
    metrics.engine.of("m@1").watch_queue("encode", "cpu", lambda: 0)
    assert read(metrics).value("fss_engine_queue_depth", **CPU) == 0


def test_gauge_that_fails_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> float:
        raise RuntimeError("the device is gone")

    metrics = Metrics()
    metrics.engine.watch_device_memory("cuda:0", fail, 8000)
    metrics.engine.of("m@1").restarted("cuda:0")
    with caplog.at_level(logging.ERROR):
        found = read(metrics)
    memory = found.value("fss_engine_device_memory_bytes", device="cuda:0")
    assert memory != memory  # not a number
    assert found.value("fss_engine_restarts_total", device="cuda:0", model="m@1") == 1
    assert "the device is gone" in caplog.text


def test_threads_lose_no_count() -> None:
    metrics = Metrics()

    def work() -> None:
        for _ in range(1000):
            metrics.engine.of("m@1").batch("encode", "cpu", items=2, seconds=0.001)
            metrics.engine.count_lookups(hits=1, misses=1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        read(metrics)
    for thread in threads:
        thread.join()
    found = read(metrics)
    assert found.value("fss_engine_batch_items_sum", **CPU) == 8000
    assert found.value("fss_engine_cache_lookups_total", outcome="hit") == 4000


def test_engine_without_a_reader_counts_all_the_same() -> None:
    engines = [EngineMetrics(), EngineMetrics()]
    for engine in engines:
        engine.of("m@1").batch("encode", "cpu", items=1, seconds=0.1)
        engine.watch_cache(lambda: 1)
