"""When a device is loaded anew, and when it counts as lost."""

import pytest

from service.engine.recovery import INFERENCE_ATTEMPTS, DeviceState, Recovery
from service.errors import InferenceError

FAILED = RuntimeError("out of memory")


def test_failures_in_a_row_are_the_devices_and_work_is_tried_once_more_than_that() -> None:
    recovery = Recovery("cuda:0")
    for _ in range(INFERENCE_ATTEMPTS - 2):
        recovery.ran("query", FAILED)
    with pytest.raises(InferenceError) as broken:
        recovery.ran("query", FAILED)
    assert broken.value.__cause__ is FAILED


@pytest.mark.parametrize("between", [None, FloatingPointError("not finite")])
def test_failures_apart_are_not_the_devices(between: Exception | None) -> None:
    recovery = Recovery("cuda:0")
    for _ in range(9):
        recovery.ran("query", FAILED)
        recovery.ran("query", between)
    assert recovery.state is DeviceState.WORKING


def test_what_other_lanes_do_does_not_hide_failures() -> None:
    recovery = Recovery("cuda:0")
    for _ in range(INFERENCE_ATTEMPTS - 2):
        recovery.ran("query", FAILED)
        recovery.ran("head", None)
    with pytest.raises(InferenceError):
        recovery.ran("query", FAILED)


def test_failures_before_a_crash_do_not_count_after_it() -> None:
    recovery = Recovery("cuda:0")
    for _ in range(9):
        for _ in range(INFERENCE_ATTEMPTS - 2):
            recovery.ran("query", FAILED)
        recovery.crashed()
        assert recovery.state is DeviceState.BROKEN
        recovery.reloaded()


def test_a_device_that_cannot_be_loaded_is_lost_until_it_can() -> None:
    recovery = Recovery("cuda:0")
    for _ in range(2):
        recovery.crashed()
        states, pauses_s = [], []
        for _ in range(9):
            pauses_s.append(recovery.not_reloaded(FAILED))
            states.append(recovery.state)
        assert states == [DeviceState.BROKEN] * 4 + [DeviceState.LOST] * 5
        assert pauses_s == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0]
        recovery.crashed()
        assert recovery.failure == "cuda:0: RuntimeError: out of memory"
        recovery.reloaded()
        assert recovery.failure is None
