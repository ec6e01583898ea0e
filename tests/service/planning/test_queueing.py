"""Formulas against tables and against each other."""

import math

import pytest

from service.planning.queueing import erlang_b, erlang_c, mean_wait_s, wait_quantile_s


@pytest.mark.parametrize(
    ("servers", "load", "lost"), [(1, 1.0, 0.5), (2, 1.0, 0.2), (10, 4.461, 0.01), (5, 2.219, 0.05)]
)
def test_erlang_b_is_that_of_the_tables(servers: int, load: float, lost: float) -> None:
    assert erlang_b(servers, load) == pytest.approx(lost, rel=2e-3)


@pytest.mark.parametrize(("servers", "load", "waits"), [(1, 0.7, 0.7), (2, 1.0, 1 / 3)])
def test_erlang_c_is_that_of_the_books(servers: int, load: float, waits: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(waits)


def test_one_server_waits_as_pollaczek_and_khinchine_say() -> None:
    rate, service_s = 8.0, 0.1
    constant = mean_wait_s(1, rate, service_s, service_cv2=0.0)
    assert constant == pytest.approx(0.8 * 0.1 / (2 * 0.2))
    assert mean_wait_s(1, rate, service_s) == pytest.approx(2 * constant)


def test_a_quantile_of_mm1() -> None:
    # P(wait > t) = load * exp(-(mu - lambda) t)
    found = wait_quantile_s(0.99, 1, 8.0, 0.1)
    assert 0.8 * math.exp(-2.0 * found) == pytest.approx(0.01)


def test_more_servers_wait_less_and_too_few_forever() -> None:
    waits = [mean_wait_s(servers, 100.0, 0.1) for servers in (10, 11, 12, 20, 1000)]
    assert waits[0] == math.inf
    assert waits == sorted(waits, reverse=True)
    assert wait_quantile_s(0.99, 10, 100.0, 0.1) == math.inf
