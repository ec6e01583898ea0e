"""Plans grow with what is asked, and say what they stand on."""

import pytest

from service.planning.fleet import PlanError
from service.planning.gpu import estimate
from service.planning.plan import make_plan
from service.planning.profile import ProfileError, load_profile, shipped_profiles
from service.planning.workload import Workload

MEASURED = load_profile("lite-int8-cpu2")
LOAD = Workload(rps=200, classes=2, shots=5, sessions=20_000)


def test_a_plan_by_hand() -> None:
    costs = MEASURED.engine
    device_s = costs.batch_s(8, 2, 5) / 8
    host_s = (MEASURED.host.request_ms + MEASURED.host.decode_ms + 2 * MEASURED.host.mask_ms) / 2000
    plan = make_plan(LOAD, MEASURED)
    queries_s = plan.fleet.request_s * (1 - plan.fleet.registration_share)
    assert queries_s == pytest.approx(device_s + host_s)
    assert plan.fleet.needed >= 200 * plan.fleet.request_s / 0.7
    assert plan.fleet.replicas * 2 / 3 >= plan.fleet.needed
    content = MEASURED.store.session_bytes + 10 * MEASURED.store.shot_bytes
    memory = 20_000 * content * MEASURED.store.memory_factor
    assert plan.store.memory_bytes == pytest.approx(memory)


@pytest.mark.parametrize(
    ("field", "more"),
    [("rps", 400.0), ("classes", 8), ("shots", 50), ("images", 4), ("close_ups", 1.0)],
)
def test_more_work_needs_more(field: str, more: float) -> None:
    load = LOAD.model_copy(update={"p99_s": 20.0})
    small = make_plan(load, MEASURED)
    large = make_plan(load.model_copy(update={field: more}), MEASURED)
    assert large.fleet.replicas > small.fleet.replicas
    assert large.store.memory_bytes >= small.store.memory_bytes


def test_a_close_up_costs_as_much_as_another_image_of_one_class() -> None:
    costs, host = MEASURED.engine, MEASURED.host
    one = LOAD.model_copy(update={"classes": 1, "p99_s": 20.0})
    twice = make_plan(one.model_copy(update={"close_ups": 1.0}), MEASURED).fleet.request_s
    image_s = (costs.image_ms + costs.class_ms + one.shots * costs.shot_ms) / 1000
    more_s = image_s + host.decode_ms / 1000 / host.cores
    assert twice - make_plan(one, MEASURED).fleet.request_s == pytest.approx(more_s, rel=0.05)


@pytest.mark.parametrize("shots", [1, 5])
def test_registrations_take_the_device_and_the_cores_as_long_as_was_measured(shots: int) -> None:
    load = LOAD.model_copy(update={"shots": shots, "session_hours": 0.5})
    costs = MEASURED.registration
    class_s = costs.device_s(shots) + costs.host_s(shots) / MEASURED.host.cores
    often = make_plan(load, MEASURED).fleet
    never = make_plan(load.model_copy(update={"session_hours": 1e9}), MEASURED).fleet
    more_s = 20_000 / 1800 / 200 * 2 * class_s
    assert often.request_s - never.request_s == pytest.approx(more_s)
    assert often.registration_share == pytest.approx(more_s / often.request_s)
    assert never.registration_share == pytest.approx(0, abs=1e-6)


def test_beside_a_gpu_fits_take_cores() -> None:
    host = MEASURED.registration.model_copy(update={"host_shot_ms": 5000.0})
    slow_fit = MEASURED.model_copy(update={"registration": host})
    fleets = [make_plan(LOAD, estimate(base, "r50", "a100")).fleet for base in (MEASURED, slow_fit)]
    assert [fleet.limited_by for fleet in fleets] == ["device", "cores"]


def test_affinity_finds_more_copies_and_asks_less_of_redis() -> None:
    random = make_plan(LOAD.model_copy(update={"routing": "random"}), MEASURED)
    affine = make_plan(LOAD, MEASURED)
    assert affine.store.copy_hits > random.store.copy_hits
    assert affine.store.out_bytes_s < random.store.out_bytes_s


def test_a_p99_that_no_fleet_keeps_is_refused_with_what_to_do() -> None:
    with pytest.raises(PlanError, match="longer p99, fewer images"):
        make_plan(LOAD.model_copy(update={"p99_s": 0.01}), MEASURED)


def test_what_was_not_measured_says_so() -> None:
    profile = estimate(MEASURED, "r50", "a100", share=0.25)
    assert profile.origin == "estimated, not measured"
    assert profile.engine.image_ms == pytest.approx(175 / (312 * 0.25))
    assert make_plan(LOAD, profile).fleet.gpus == make_plan(LOAD, profile).fleet.replicas
    with pytest.raises(ProfileError, match="GPUs t4, l4"):
        estimate(MEASURED, "r50", "abacus")


@pytest.mark.parametrize("name", shipped_profiles())
def test_shipped_profiles_are_measured_and_dated(name: str) -> None:
    profile = load_profile(name)
    assert (profile.name, profile.origin) == (name, "measured")
    assert profile.date
