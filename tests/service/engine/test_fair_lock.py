"""The lock of a device: first come, first served, and not waited for without end."""

import threading

import pytest

from service.engine.fair_lock import FairLock
from tests.service.until import TIMEOUT_S, until


def test_whoever_gives_up_leaves_its_place_to_those_behind() -> None:
    lock = FairLock()
    order: list[str] = []
    gave_up = threading.Event()

    def impatient() -> None:
        with pytest.raises(TimeoutError, match="no turn on the device within 1 s"), lock.hold(1.0):
            order.append("impatient")
        gave_up.set()

    def patient() -> None:
        with lock.hold(TIMEOUT_S):
            order.append("patient")

    with lock.hold():
        threads = []
        for waiting, target in enumerate((impatient, patient), start=1):
            threads.append(threading.Thread(target=target))
            threads[-1].start()
            until(lambda waiting=waiting: lock.waiting == waiting)  # type: ignore[misc]
        assert gave_up.wait(TIMEOUT_S)
        assert lock.waiting == 1
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert order == ["patient"]
    with lock.hold(0.0):
        assert lock.waiting == 0
