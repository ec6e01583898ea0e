"""The simulator against closed forms, and what faults do to it."""

import numpy as np
import pytest
from pydantic import ValidationError

from service.planning.popularity import popularity
from service.planning.profile import load_profile
from service.planning.queueing import mean_wait_s
from service.planning.simulation import Outcome, Scenario, simulate
from service.planning.workload import Workload
from service.units import MIB

MEASURED = load_profile("lite-int8-cpu2")
FREE = {"touch_us": 0.0, "fetch_us": 0.0, "fetch_us_per_mib": 0.0, "touch_bytes": 0.0}


def scenario(**update: object) -> Scenario:
    workload = Workload(
        rps=1, classes=1, shots=1, sessions=50_000, routing="random", copies_bytes=200.0 * MIB
    )
    made = Scenario(workload=workload, profile=MEASURED, replicas=100, sample=10, seconds=30)
    return made.model_copy(update=update)


def test_waits_are_those_of_md1() -> None:
    """Batches of one and a Redis that costs nothing: constant service, Poisson arrivals."""
    engine = MEASURED.engine.model_copy(update={"max_batch": 1})
    store = MEASURED.store.model_copy(update=FREE)
    profile = MEASURED.model_copy(update={"engine": engine, "store": store})
    made = scenario(profile=profile, seconds=200.0, max_wait_s=1e6, max_requests=10**6)
    made = made.model_copy(
        update={"workload": made.workload.model_copy(update={"redis_bytes_s": 1e15})}
    ).at_load(0.8)
    outcome = simulate(made)
    rate = made.workload.rps / made.replicas
    expected = made.busy_s + mean_wait_s(1, rate, made.busy_s, service_cv2=0.0)
    assert outcome.device == pytest.approx(0.8, rel=0.03)
    assert outcome.mean_s == pytest.approx(expected, rel=0.06)


def test_copies_are_found_as_che_says() -> None:
    made = scenario(seconds=20.0).at_load(0.5)
    load = made.workload.model_copy(update={"copies_bytes": 40.0 * MIB})
    outcome = simulate(made.model_copy(update={"workload": load}))
    room = 40.0 * MIB / MEASURED.store.content_bytes(1, 1)
    spread = popularity(load.sessions, load.skew, load.hottest_rps / load.rps)
    assert outcome.copy_hits == pytest.approx(spread.hit_rate(room), abs=0.03)


def test_what_is_too_short_to_be_judged_is_refused() -> None:
    with pytest.raises(ValidationError, match="seconds"):
        Scenario(workload=Workload(rps=1), profile=MEASURED, seconds=2.5)
    made = scenario(seconds=3.0).at_load(0.5)
    assert simulate(made).served > 0


def test_the_same_seed_has_the_same_outcome_and_another_one_not() -> None:
    made = scenario(seconds=5.0).at_load(0.5)
    assert simulate(made) == simulate(made)
    assert simulate(made) != simulate(made.model_copy(update={"seed": 1}))


def test_the_size_of_the_sample_changes_little() -> None:
    few = simulate(scenario(seconds=20.0).at_load(0.6))
    many = simulate(scenario(seconds=20.0, sample=30).at_load(0.6))
    assert few.device == pytest.approx(many.device, rel=0.1)
    assert few.redis == pytest.approx(many.redis, rel=0.1)


def test_a_redis_that_is_too_slow_saturates_before_the_devices() -> None:
    made = scenario(seconds=10.0)
    narrow = made.workload.model_copy(update={"redis_bytes_s": 1e6, "copies_bytes": 1.0 * MIB})
    outcome = simulate(made.model_copy(update={"workload": narrow}).at_load(0.8))
    assert outcome.redis > 0.95
    assert outcome.device < 0.3
    assert outcome.store_errors > 0


def faulty(fault: str) -> Outcome:
    return simulate(scenario(fault=fault, seconds=30.0, fault_at_s=5.0, fault_s=2.0).at_load(0.5))


def test_a_dead_redis_is_told_and_got_over() -> None:
    outcome = faulty("redis")
    assert outcome.store_errors > 0
    assert outcome.recovered_s is not None
    assert 0 < outcome.recovered_s < 20


@pytest.mark.parametrize("fault", ["replicas", "upgrade"])
def test_the_other_replicas_take_over(fault: str) -> None:
    outcome = faulty(fault)
    assert outcome.served > 0.99
    assert np.isfinite(outcome.p99_s)
