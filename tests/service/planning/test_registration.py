"""What a registration costs: counted as the service does it, and told apart in what is measured."""

from pathlib import Path

import pytest

from service.app import create_app
from service.engine import OnnxEngine
from service.planning.profile import EngineCosts, RegistrationCosts
from service.planning.registration import (
    TimedRegistration,
    counted_registration,
    measured_registration,
)
from service.settings import Settings
from service.telemetry import StageName
from tests.service.counted_runs import CountedRuns
from tests.service.engines import usual_options
from tests.service.http_api import post_support, running
from tests.service.pictures import RED, picture

NOTHING = RegistrationCosts(device_shot_ms=0, device_lone_ms=0, host_shot_ms=0, host_lone_ms=0)


def costs(image_ms: float, class_ms: float = 0.0) -> EngineCosts:
    return EngineCosts(
        device="cpu", max_batch=8, batch_ms=0, image_ms=image_ms, class_ms=class_ms, shot_ms=0
    )


@pytest.mark.parametrize("shots", [1, 2, 5])
async def test_encodings_are_counted_as_the_service_does_them(
    tiny_bundle: Path, shots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = OnnxEngine(tiny_bundle, usual_options())
    pictures = [picture(RED, seed=seed) for seed in range(shots)]
    async with running(create_app(Settings(engine="onnx"), engine=engine)) as client:
        runs = CountedRuns(monkeypatch)
        answer = await post_support(client, pictures, adapt="true")
        assert answer.status_code == 201, answer.text
    counted = counted_registration(costs(image_ms=1.0), NOTHING)
    assert 1000 * counted.device_s(shots) == pytest.approx(runs.images)


def test_a_class_is_predicted_four_times_for_each_shot() -> None:
    counted = counted_registration(costs(image_ms=0, class_ms=1.0), NOTHING)
    assert 1000 * counted.device_s(5) == pytest.approx(5 * 4)  # for the refit, and thrice to judge
    assert 1000 * counted.device_s(1) == pytest.approx(2 + 3)


def test_of_what_is_measured_the_device_has_its_stages_and_the_host_the_rest() -> None:
    stages: dict[StageName, float] = {"decode": 6.0, "queue": 1.0, "encode": 50.0, "prototype": 4.0}
    one: dict[StageName, float] = {**stages, "adapt": 30.0, "head": 6.0, "report": 3.0}
    five: dict[StageName, float] = {
        **stages,
        "encode": 150.0,
        "adapt": 80.0,
        "head": 16.0,
        "report": 5.0,
    }
    timed = [TimedRegistration(1, 110.0, one), TimedRegistration(5, 282.0, five)]
    found = measured_registration(timed, costs(image_ms=10.0))
    # Queries for the refit: 2 and 5 images; the rest of `adapt`, 10 and 30 ms, is the fit.
    assert 1000 * found.device_s(1) == pytest.approx(50 + 4 + 6 + 20)
    assert 1000 * found.device_s(5) == pytest.approx(150 + 4 + 16 + 50)
    # HTTP: 10 and 20 ms; files: 9 ms a shot, of several at once it cannot be told.
    assert 1000 * found.host_s(1) == pytest.approx(10 + 10 + 9)
    assert 1000 * found.host_s(5) == pytest.approx(20 + 30 + 5 * 9)


def test_a_fit_that_is_not_seen_costs_nothing() -> None:
    timed = [TimedRegistration(shots, 100.0, {"adapt": 90.0}) for shots in (1, 5)]
    found = measured_registration(timed, costs(image_ms=1000.0))
    assert 1000 * found.device_s(1) == pytest.approx(90.0)
    assert 1000 * found.host_s(1) == pytest.approx(10.0)
