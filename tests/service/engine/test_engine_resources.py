"""Pending requests are counted by request, and not by each of its reservations."""

from service.engine import EngineResources
from service.telemetry import collect_stages
from tests.service.engines import usual_options


def test_a_request_with_several_reservations_counts_once_and_a_job_not_at_all() -> None:
    resources = EngineResources(usual_options())
    with resources.reserve(1.0):  # of a job
        assert (resources.pending_requests, resources.pending_s) == (0, 1.0)
        with collect_stages(), resources.reserve(2.0), resources.reserve(3.0):
            assert (resources.pending_requests, resources.pending_s) == (1, 6.0)
            with collect_stages(), resources.reserve(4.0):
                assert (resources.pending_requests, resources.pending_s) == (2, 10.0)
    assert (resources.pending_requests, resources.pending_s) == (0, 0.0)
