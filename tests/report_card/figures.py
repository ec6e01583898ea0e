"""From measured examples to weights and figures."""

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from service.sessions.judging.calibration import calibrated_threshold
from service.sessions.judging.score import FEATURES, KINDS, features, mostly_border
from service.sessions.judging.signals import THRESHOLDS, Signals

Rows = Sequence[dict[str, Any]]
_FALSE_ALARMS = 0.1
_STRENGTH = 0.1  # inverse of the penalty, on standardised features
_BESIDE_WEIGHT = 0.2  # clean shots beside a corrupted one are many and alike


class Examples(NamedTuple):
    """Shots: features (N, F), what each is, and whether its class is of the half to fit on."""

    features: NDArray[np.float64]
    kind: NDArray[np.str_]
    fitting: NDArray[np.bool_]


def collect(rows: Rows) -> Examples:
    """All shots of all scenes; a class is in the same half whichever set it comes from."""
    parts, kinds, halves = [], [], []
    for row in rows:
        half = zlib.crc32(row["class"].encode()) % 2 == 0
        for scene, shots in row["scenes"].items():
            parts.append(features([Signals(**shot["signals"]) for shot in shots]))
            names = ["clean" if scene == "clean" else "beside"] * len(shots)
            if scene != "clean":
                names[row["corrupted"]] = scene
            kinds += names
            halves += [half] * len(shots)
    return Examples(np.concatenate(parts), np.array(kinds), np.array(halves))


def fit(examples: Examples) -> dict[str, Any]:
    """Weights of each kind's score, shifted so that 0 gives 10 % false alarms on the fit half."""
    fitted = {}
    for kind in KINDS:
        used = examples.fitting & np.isin(examples.kind, [kind, "clean", "beside"])
        scaler = StandardScaler().fit(examples.features[used])
        model = LogisticRegression(C=_STRENGTH, max_iter=2000, class_weight="balanced")
        model.fit(
            scaler.transform(examples.features[used]),
            examples.kind[used] == kind,
            sample_weight=np.where(examples.kind[used] == "beside", _BESIDE_WEIGHT, 1.0),
        )
        weights = model.coef_[0] / scaler.scale_
        fitted[kind] = (weights, float(model.intercept_[0] - weights @ scaler.mean_))
    clean = examples.features[examples.fitting & (examples.kind == "clean")]
    worst = np.max([clean @ weights + bias for weights, bias in fitted.values()], axis=0)
    alarm = float(np.quantile(worst, 1 - _FALSE_ALARMS))
    return {
        kind: {
            "bias": round(bias - alarm, 4),
            "weights": dict(zip(FEATURES, weights.round(4).tolist(), strict=True)),
        }
        for kind, (weights, bias) in fitted.items()
    }


def flag_figures(examples: Examples, stored: dict[str, Any]) -> list[dict[str, Any]]:
    """False alarms and recall on each half, as flagged, and at exactly 10 % false alarms."""
    weights = np.array([[stored[kind]["weights"][name] for name in FEATURES] for kind in KINDS])
    bias = np.array([stored[kind]["bias"] for kind in KINDS])
    scores = (examples.features @ weights.T + bias).max(axis=1)
    return [
        _half(name, scores[chosen], examples.kind[chosen])
        for name, chosen in (("fitted on", examples.fitting), ("held out", ~examples.fitting))
    ]


def _half(name: str, scores: NDArray[np.float64], kind: NDArray[np.str_]) -> dict[str, Any]:
    at_ten = float(np.quantile(scores[kind == "clean"], 1 - _FALSE_ALARMS))
    bad = np.isin(kind, KINDS)
    return {
        "classes": name,
        "false alarms": float((scores[kind == "clean"] >= 0).mean()),
        "beside a bad shot": float((scores[kind == "beside"] >= 0).mean()),
        **{each: float((scores[kind == each] >= 0).mean()) for each in KINDS},
        "recall": float((scores[bad] >= 0).mean()),
        "recall at 10 %": float((scores[bad] >= at_ten).mean()),
        **{f"{each} at 10 %": float((scores[kind == each] >= at_ten).mean()) for each in KINDS},
    }


def inversion_figures(rows: Rows) -> list[dict[str, Any]]:
    """Classes that are told to be inverted, of each set: with all masks so, and with none."""
    return [
        {
            "set": name,
            "classes": len(chosen),
            "all inverted": float(np.mean([_all_inverted(row, inverted=True) for row in chosen])),
            "false alarms": float(np.mean([_all_inverted(row, inverted=False) for row in chosen])),
        }
        for name, chosen in _by_set(rows)
    ]


def _all_inverted(row: dict[str, Any], *, inverted: bool) -> bool:
    shots = [Signals(**shot["signals"]) for shot in row["scenes"]["clean"]]
    if inverted:  # the border that was background is object, and nothing else counts
        shots = [shot._replace(border=1 - shot.border) for shot in shots]
    return mostly_border(shots)


def _by_set(rows: Rows) -> list[tuple[str, Rows]]:
    """The rows of each set, and of all."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    return [*((name, [row for row in rows if row["set"] == name]) for name in sets), ("all", rows)]


def threshold_figures(rows: Rows, own: float) -> list[dict[str, Any]]:
    """MIoU of held-out queries in percent, over the classes of each set and of all."""
    return [_gain(name, chosen, own) for name, chosen in _by_set(rows)]


def _gain(name: str, rows: Rows, own: float) -> dict[str, Any]:
    at: dict[str, list[float]] = {"0.5": [], "own": [], "calibrated": [], "unshrunk": []}
    for row in rows:
        curve = np.mean(row["queries"], axis=0)
        shots = [shot["iou_by_threshold"] for shot in row["scenes"]["clean"]]
        chosen = {
            "0.5": 0.5,
            "own": own,
            "calibrated": calibrated_threshold(shots, own),
            "unshrunk": calibrated_threshold(shots, own, own_weight=0.0),
        }
        for key, threshold in chosen.items():
            at[key].append(100 * float(np.interp(threshold, THRESHOLDS, curve)))
    return {"set": name, "classes": len(rows), **{k: float(np.mean(v)) for k, v in at.items()}}
