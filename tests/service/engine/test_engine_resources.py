"""Pending requests are counted by request, and not by each of their reservations."""

import pytest

from service.engine import EngineResources
from service.telemetry import collect_stages
from tests.service.engines import usual_options


@pytest.fixture
def resources() -> EngineResources:
    return EngineResources(usual_options())


def test_a_request_with_several_reservations_counts_once_and_a_job_not_at_all(
    resources: EngineResources,
) -> None:
    with resources.reserve(1.0):  # of a job
        assert (resources.pending_requests, resources.pending_s) == (0, 1.0)
        with collect_stages(), resources.reserve(2.0), resources.reserve(3.0):
            assert (resources.pending_requests, resources.pending_s) == (1, 6.0)
            with collect_stages(), resources.reserve(4.0):
                assert (resources.pending_requests, resources.pending_s) == (2, 10.0)
    assert (resources.pending_requests, resources.pending_s) == (0, 0.0)


def _ask(resources: EngineResources, *, again: bool) -> None:
    """A request that looks at images; `again`: at two close-ups at the same time, too."""
    with collect_stages():
        with resources.reserve(1.0, looks=True):
            pass
        if again:
            with resources.reserve(1.0, looks=True), resources.reserve(1.0, looks=True):
                pass


def test_requests_that_come_back_wait_twice(resources: EngineResources) -> None:
    assert resources.looks == 1
    _ask(resources, again=False)
    assert resources.looks == 1
    for _ in range(100):
        _ask(resources, again=True)
    assert resources.looks == pytest.approx(2, abs=0.02)
    for number in range(300):
        _ask(resources, again=number % 2 == 0)
    assert resources.looks == pytest.approx(1.5, abs=0.1)
    for _ in range(100):
        _ask(resources, again=False)
    assert resources.looks == pytest.approx(1, abs=0.02)


def test_registrations_and_jobs_are_no_looks(resources: EngineResources) -> None:
    _ask(resources, again=False)
    for _ in range(10):
        with collect_stages():
            for _ in range(3):
                with resources.reserve(1.0):
                    pass
        for _ in range(3):  # of a job
            with resources.reserve(1.0, looks=True):
                pass
    assert resources.looks == 1


def test_a_request_that_comes_back_while_it_looks_counts_once(resources: EngineResources) -> None:
    with collect_stages():
        with resources.reserve(1.0, looks=True), resources.reserve(1.0, looks=True):
            assert resources.looks == 1
        assert resources.looks == 1
        with resources.reserve(1.0, looks=True):
            assert resources.looks == 2
        with resources.reserve(1.0, looks=True):
            assert resources.looks == 2
