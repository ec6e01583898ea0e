"""What became of many requests."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tests.load.judgement import Kind, Verdict

Cell = str | int | float | bool

GOOD = frozenset({Kind.EXACT, Kind.CLOSE})
BROKEN = frozenset({Kind.FAILED, Kind.WRONG, Kind.MIXED, Kind.LOST})


class Outcome(NamedTuple):
    """One request: what it was, when it should have begun, how long it took, and the verdict.

    attempts: how often it was sent.
    pause_s: for which its client should wait until it asks again; 0 where it was answered.
    """

    operation: str
    started_at: float
    seconds: float
    verdict: Verdict
    attempts: int = 1
    pause_s: float = 0.0


@dataclass
class Tally:
    """Outcomes, the seconds in which requests were sent, and those until the last was answered."""

    seconds: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list)
    drain_s: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Take an outcome in."""
        self.outcomes.append(outcome)

    def count(self, *kinds: Kind) -> int:
        """How many outcomes are of these kinds."""
        return sum(outcome.verdict.kind in kinds for outcome in self.outcomes)

    @property
    def good(self) -> int:
        """Requests that were answered as they should be."""
        return self.count(*GOOD)

    @property
    def repeated(self) -> int:
        """Requests that were sent more than once."""
        return sum(outcome.attempts > 1 for outcome in self.outcomes)

    @property
    def throughput(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds if self.seconds else 0.0

    def percentile_ms(self, share: float, kinds: Iterable[Kind] = GOOD) -> float:
        """The latency not exceeded by `share` (0 to 100) of such outcomes; 0 if there are none."""
        wanted = frozenset(kinds)
        times = [o.seconds for o in self.outcomes if o.verdict.kind in wanted]
        return 1000 * float(np.percentile(times, share)) if times else 0.0

    def where(self, wanted: Callable[[Outcome], bool]) -> "Tally":
        """The outcomes that fulfil a condition."""
        return Tally(self.seconds, [o for o in self.outcomes if wanted(o)])

    def refusals(self) -> str:
        """Refusals and failures by code."""
        kinds = (Kind.REFUSED, Kind.FAILED)
        codes = Counter(o.verdict.detail for o in self.outcomes if o.verdict.kind in kinds)
        return ", ".join(f"{count} x {code}" for code, count in codes.most_common()) or "-"

    def complaints(self, max_count: int = 3) -> list[str]:
        """The first few broken promises, in words."""
        broken = (o for o in self.outcomes if o.verdict.kind in BROKEN)
        words = Counter(
            f"{o.operation}: {o.verdict.kind}: {o.verdict.detail}" for o in broken
        ).most_common(max_count)
        return [f"{count} x {text}" for text, count in words]

    def row(self) -> dict[str, Cell]:
        """The figures of a table's row."""
        return {
            "requests": len(self.outcomes),
            "ok": self.good,
            "exact": self.count(Kind.EXACT),
            "refused or failed by code": self.refusals(),
            "wrong": self.count(Kind.WRONG),
            "mixed up": self.count(Kind.MIXED),
            "lost": self.count(Kind.LOST),
            "ok/s": round(self.throughput, 1),
            "p50 ms": round(self.percentile_ms(50), 1),
            "p90 ms": round(self.percentile_ms(90), 1),
            "p99 ms": round(self.percentile_ms(99), 1),
            "max ms": round(self.percentile_ms(100), 1),
        }
