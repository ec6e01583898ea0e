"""What is owed to requests, by their number and not by what each asks for at once."""

from service.engine import EngineOptions, Shared
from service.telemetry import collect_stages


def test_a_request_that_asks_for_several_things_counts_once_and_a_job_not_at_all() -> None:
    shared = Shared(EngineOptions())
    with shared.owe(1.0):  # of a job
        assert (shared.owing, shared.owed_s) == (0, 1.0)
        with collect_stages(), shared.owe(2.0), shared.owe(3.0):
            assert (shared.owing, shared.owed_s) == (1, 6.0)
            with collect_stages(), shared.owe(4.0):
                assert (shared.owing, shared.owed_s) == (2, 10.0)
    assert (shared.owing, shared.owed_s) == (0, 0.0)
