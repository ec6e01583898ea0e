"""The cache of shots: what it forgets, and when."""

import numpy as np

from model.contract import SupportPrototype, SupportSet
from service.labelling_tools.shot_cache import ShotCache, ShotKey


def key(annotation: int) -> ShotKey:
    return ShotKey("lite", annotation, "2026-01-01", "tag", "thing")


def shot(channels: int) -> SupportSet:
    one = np.ones(channels, np.float16)
    tokens = np.ones((1, channels), np.float16)
    return SupportSet((SupportPrototype(one, one, one, tokens),))


def test_the_least_used_are_forgotten() -> None:
    cache = ShotCache(max_bytes=3 * (1024 + shot(100).nbytes))
    for number in range(3):
        cache.add(key(number), shot(100))
    assert cache.get(key(0)) is not None
    cache.add(key(3), shot(100))
    assert [number for number in range(4) if key(number) in cache] == [0, 2, 3]
    assert cache.get(key(1)) is None


def test_a_shot_that_is_replaced_counts_once() -> None:
    cache = ShotCache(max_bytes=2 * (1024 + shot(100).nbytes))
    cache.add(key(0), None)
    for _ in range(9):
        cache.add(key(1), shot(100))
    assert key(0) in cache


def test_keys_without_a_shot_are_bounded_too() -> None:
    cache = ShotCache(max_bytes=10 * 1024)
    for number in range(100):
        cache.add(key(number), None)
    kept = [number for number in range(100) if key(number) in cache]
    assert kept == list(range(90, 100))
