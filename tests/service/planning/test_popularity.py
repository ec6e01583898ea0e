"""Che's approximation against a cache that is lived through."""

from collections import OrderedDict

import numpy as np
import pytest

from service.planning.popularity import popularity


def test_hit_rate_is_that_of_a_least_recently_used_cache() -> None:
    spread = popularity(5000, 0.8, hottest_share=0.005)
    cache: OrderedDict[int, None] = OrderedDict()
    hits = []
    for session in spread.draw(60_000, np.random.default_rng(0)).tolist():
        hits.append(session in cache)
        cache[session] = None
        cache.move_to_end(session)
        if len(cache) > 500:
            cache.popitem(last=False)
    assert np.mean(hits[20_000:]) == pytest.approx(spread.hit_rate(500), abs=0.01)


def test_the_hottest_session_has_no_more_than_its_share() -> None:
    spread = popularity(10_000_000, 0.8, hottest_share=2e-4)
    assert spread.hottest_share() == pytest.approx(2e-4, rel=1e-3)
    drawn = spread.draw(200_000, np.random.default_rng(0))
    assert (drawn == 0).mean() == pytest.approx(2e-4, abs=1e-4)
    assert drawn.max() < 10_000_000


def test_the_classical_exponent_is_the_limit_of_those_beside_it() -> None:
    classical, beside = (popularity(5000, exponent, 0.05) for exponent in (1.0, 1.0001))
    assert classical.shift == pytest.approx(beside.shift, rel=1e-2)
    assert classical.hit_rate(500) == pytest.approx(beside.hit_rate(500), rel=1e-3)
    drawn = classical.draw(100_000, np.random.default_rng(0))
    ranks = np.arange(5000)
    assert classical.chances(ranks).sum() == pytest.approx(1)
    assert (drawn < 50).mean() == pytest.approx(classical.chances(ranks[:50]).sum(), abs=0.01)


def test_room_for_all_finds_all() -> None:
    assert popularity(100, 0.8, 0.1).hit_rate(100) == 1.0
