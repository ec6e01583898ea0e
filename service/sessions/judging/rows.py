"""A judged shot as the row of numbers that is kept with the class."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import JUDGEMENT_SIZE
from service.sessions.judging.signals import Signals

MAX_OTHERS = 16  # a shot is predicted from; more would cost without telling more
_SCALE = 256  # brings the number of others into [0, 1]; exact in float32
_OWN = 3  # numbers before the signals


class Judgement(NamedTuple):
    """What was measured of a shot when it was registered.

    others: shots it was predicted from; 0: its mirror image.
    iou: of the class as it answers (refitted, if it is) with the mask.
    sides: of the image that the mask touches, 0 to 4.
    signals: by the network without a refit.
    curve: IoU at each of `signals.THRESHOLDS`.
    """

    others: int
    iou: float
    sides: int
    signals: Signals
    curve: tuple[float, ...]

    def to_row(self) -> NDArray[np.float32]:
        """(J,) in [0, 1]; the first number is above 0."""
        own = ((self.others + 1) / _SCALE, self.iou, self.sides / 4)
        return np.array((*own, *self.signals, *self.curve), np.float32)


def read_rows(rows: NDArray[np.float32] | None) -> dict[int, Judgement]:
    """Judgements by shot, of (K, J) rows; those of zeros are not judged."""
    known = np.zeros((0, JUDGEMENT_SIZE), np.float32) if rows is None else rows
    return {k: _read(row.tolist()) for k, row in enumerate(known) if row[0] > 0}


def read_curves(rows: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """The curves (N, T) of the N shots that are judged, at T thresholds."""
    known = np.zeros((0, JUDGEMENT_SIZE), np.float32) if rows is None else rows
    return known[known[:, 0] > 0, _OWN + len(Signals._fields) :].astype(np.float64)


def _read(row: list[float]) -> Judgement:
    signals_end = _OWN + len(Signals._fields)
    return Judgement(
        others=max(0, round(row[0] * _SCALE) - 1),
        iou=row[1],
        sides=round(row[2] * 4),
        signals=Signals(*row[_OWN:signals_end]),
        curve=tuple(row[signals_end:]),
    )
