"""How requests spread over sessions, and how many find a copy that is kept.

Popularity falls with the rank as (rank + shift) ** -exponent (Zipf and Mandelbrot); the shift
keeps the hottest session at a rate that limits of clients allow.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# In which sums over sessions are made: ranks of one bucket differ by 0.5 % among a billion.
_BUCKETS = 4000
# Of the interval of a bisection: 53 and a few more leave no float between its ends.
_HALVINGS = 60
# Above an even share, which the hottest session would have at an infinite shift alone.
_ABOVE_EVEN = 1.01


@dataclass(frozen=True)
class Popularity:
    """How popular `count` sessions are.

    exponent: of Zipf's law, above 0; shift: at least 1.
    """

    count: int
    exponent: float
    shift: float

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Ranks (size,) from 0, by inversion of the integral that stands for the sum."""
        low, high = map(float, self._integral(np.array([0, self.count])))
        at = low + rng.random(size) * (high - low)
        shifted = np.exp(at) if self.exponent == 1 else at ** (1 / (1 - self.exponent))
        return np.clip(shifted - self.shift, 0, self.count - 1).astype(np.int64)

    def hottest_share(self) -> float:
        """The share of all requests that goes to the most popular session."""
        return float(self.chances(np.array([0]))[0])

    def chances(self, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each rank (N,), the probability that a request is for it."""
        first, last = map(float, self._integral(np.array([0, self.count])))
        return (self._integral(ranks + 1) - self._integral(ranks)) / (last - first)

    def expected_distinct(self, requests: float) -> float:
        """Expected number of sessions that are asked at least once by so many requests."""
        sizes, chances = self._buckets()
        return float((sizes * -np.expm1(-requests * chances)).sum())

    def hit_rate(self, capacity: float) -> float:
        """Hit rate of a cache of the `capacity` sessions used last: Che's approximation (2002)."""
        if capacity >= self.count:
            return 1.0
        requests = self.characteristic_time(capacity)
        sizes, chances = self._buckets()
        return float((sizes * chances * -np.expm1(-requests * chances)).sum())

    def characteristic_time(self, capacity: float) -> float:
        """Che's: requests after which a session that none of them used has been evicted."""
        low, high = 0.0, 1.0
        while self.expected_distinct(high) < capacity:
            high *= 2
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if self.expected_distinct(middle) < capacity else (low, middle)
            )
        return high

    def _buckets(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sessions of neighbouring ranks: how many, and the probability of each."""
        edges = np.unique(np.geomspace(1, self.count + 1, min(_BUCKETS, self.count + 1)) - 1)
        integrals = self._integral(edges)
        sizes = np.diff(edges)
        mass = np.diff(integrals) / (integrals[-1] - integrals[0])
        return sizes, mass / sizes

    def _integral(self, ranks: NDArray[Any]) -> NDArray[np.float64]:
        """The integral of the popularity up to ranks (N,), but for a factor and a summand."""
        shifted = np.asarray(ranks + self.shift, np.float64)
        return np.log(shifted) if self.exponent == 1 else shifted ** (1 - self.exponent)


def popularity(count: int, exponent: float, hottest_share: float) -> Popularity:
    """The popularity of least shift at which the hottest session has no more than that share."""
    low, high = 1.0, 1.0
    reached = max(hottest_share, _ABOVE_EVEN / count)
    while Popularity(count, exponent, high).hottest_share() > reached:
        low, high = high, high * 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        hot = Popularity(count, exponent, middle).hottest_share() > hottest_share
        low, high = (middle, high) if hot else (low, middle)
    return Popularity(count, exponent, high)
