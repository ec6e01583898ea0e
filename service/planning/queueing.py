"""Waiting in queues with several servers, in closed form.

Erlang (1917) for Poisson arrivals and exponential service; Allen and Cunneen's factor for other
services, which is exact for M/G/1 (Pollaczek and Khinchine) and which Kingman's bound approaches
under heavy load. See Allen, Probability, Statistics and Queueing Theory, 2nd ed., section 5.2.
"""

import math


def erlang_b(servers: int, load: float) -> float:
    """Erlang B: the probability that an arrival is lost; `load` in Erlang (rate x service time)."""
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """Erlang C: the probability that an arrival waits, M/M/c; 1 where servers are overloaded."""
    if load >= servers:
        return 1.0
    blocked = erlang_b(servers, load)
    return servers * blocked / (servers - load * (1 - blocked))


def mean_wait_s(
    servers: int, rate: float, service_s: float, service_cv2: float = 1.0, arrival_cv2: float = 1.0
) -> float:
    """Mean wait of G/G/c by Allen and Cunneen; infinite where the servers cannot keep up.

    Args:
        servers: that share one queue.
        rate: arrivals a second.
        service_s: mean of one.
        service_cv2: variance of the service time over its squared mean; 1: exponential.
        arrival_cv2: likewise of the time between arrivals; 1: Poisson.
    """
    load = rate * service_s
    if load >= servers:
        return math.inf
    spread = (arrival_cv2 + service_cv2) / 2
    return erlang_c(servers, load) * service_s / (servers - load) * spread


def wait_quantile_s(
    quantile: float,
    servers: int,
    rate: float,
    service_s: float,
    service_cv2: float = 1.0,
    arrival_cv2: float = 1.0,
) -> float:
    """A quantile of the wait, its tail taken as exponential, which is exact for M/M/c."""
    waits = erlang_c(servers, rate * service_s)
    if waits <= 1 - quantile:
        return 0.0
    given_wait_s = mean_wait_s(servers, rate, service_s, service_cv2, arrival_cv2) / waits
    return given_wait_s * math.log(waits / (1 - quantile))
