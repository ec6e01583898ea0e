"""How requests spread over sessions, and how many find a copy that is kept.

Popularity falls with the rank as (rank + shift) ** -skew (Zipf and Mandelbrot); the shift is what
keeps the hottest session at a rate that limits of clients allow.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BUCKETS = 4000
_STEPS = 200


@dataclass(frozen=True)
class Popularity:
    """How popular `count` sessions are; skew is not 1, shift at least 1."""

    count: int
    skew: float
    shift: float

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Ranks (size,) from 0, by inversion of the integral that stands for the sum."""
        low, high = self._power(0.0), self._power(float(self.count))
        at = low + rng.random(size) * (high - low)
        ranks = at ** (1 / (1 - self.skew)) - self.shift
        return np.clip(ranks, 0, self.count - 1).astype(np.int64)

    def hottest_share(self) -> float:
        """The share of all requests that goes to the most popular session."""
        return self._mass(0.0, 1.0)

    def chances(self, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each rank (N,), the probability that a request is for it."""
        power = 1 - self.skew
        mass = (ranks + 1 + self.shift) ** power - (ranks + self.shift) ** power
        return np.asarray(mass / (self._power(float(self.count)) - self._power(0.0)))

    def living(self, requests: float) -> float:
        """Expected number of sessions that are asked at least once by so many requests."""
        sizes, chances = self._buckets()
        return float((sizes * -np.expm1(-requests * chances)).sum())

    def hit_rate(self, kept: float) -> float:
        """Hit rate of a cache of the `kept` sessions used last, by Che's approximation (2002)."""
        if kept >= self.count:
            return 1.0
        requests = self.lifetime(kept)
        sizes, chances = self._buckets()
        return float((sizes * chances * -np.expm1(-requests * chances)).sum())

    def lifetime(self, kept: float) -> float:
        """Requests after which a session that none of them used has been evicted."""
        low, high = 0.0, 1.0
        while self.living(high) < kept:
            high *= 2
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.living(middle) < kept else (low, middle)
        return high

    def _buckets(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sessions of neighbouring ranks: how many, and the probability of each."""
        edges = np.unique(np.geomspace(1, self.count + 1, min(_BUCKETS, self.count + 1)) - 1)
        powers = (edges + self.shift) ** (1 - self.skew)
        sizes = np.diff(edges)
        mass = np.diff(powers) / (powers[-1] - powers[0])
        return sizes, mass / sizes

    def _power(self, rank: float) -> float:
        return float((rank + self.shift) ** (1 - self.skew))

    def _mass(self, first: float, last: float) -> float:
        whole = self._power(float(self.count)) - self._power(0.0)
        return (self._power(last) - self._power(first)) / whole


def popularity(count: int, skew: float, hottest_share: float) -> Popularity:
    """The popularity of least shift at which the hottest session has no more than that share."""
    low, high = 1.0, 1.0
    while Popularity(count, skew, high).hottest_share() > max(hottest_share, 1.01 / count):
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        hot = Popularity(count, skew, middle).hottest_share() > hottest_share
        low, high = (middle, high) if hot else (low, middle)
    return Popularity(count, skew, high)
