"""The ablation's results as a table: means, spread over seeds, and paired gains."""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from model.evaluation.tables import markdown_table, spread
from model.experiments.ablation import RowResult
from model.experiments.variants import Comparison, Variant

_COLUMNS = ("row", "SAAM", "SDPM", "prior", "teachers", "shots", "head", "mIoU", "FB-IoU", "gain")


def gain(results: Sequence[RowResult], row: str, reference: str) -> list[float]:
    """Gain in mIoU of a row over its reference at each seed that both have."""
    own, base = (by_seed(results, each) for each in (row, reference))
    shared = sorted(own.keys() & base.keys())
    return [own[seed].mean_iou - base[seed].mean_iou for seed in shared]


class SeedMeans(NamedTuple):
    """Means over the folds, or the one result of a row at a seed; IoU in percent."""

    mean_iou: float
    fb_iou: float


def by_seed(results: Sequence[RowResult], row: str) -> dict[int, SeedMeans]:
    """The means of a row over the folds, by seed, for seeds with results of all folds."""
    folds = {result.fold for result in results}
    found: dict[int, list[RowResult]] = {}
    for result in results:
        if result.variant == row:
            found.setdefault(result.seed, []).append(result)
    return {
        seed: SeedMeans(
            statistics.fmean(r.mean_iou for r in own), statistics.fmean(r.fb_iou for r in own)
        )
        for seed, own in found.items()
        if len(own) == len(folds)
    }


def markdown(groups: Sequence[Comparison], results: Sequence[RowResult], about: str) -> str:
    """One table for each comparison that has a result."""
    parts = ["# Ablation", about]
    for group in groups:
        rows = [_row(variant, group.rows[0], results) for variant in group.rows]
        shown = [row for row in rows if row is not None]
        if shown:
            parts += [f"## {group.title}", markdown_table(_COLUMNS, shown)]
    parts.append(
        "mIoU and FB-IoU in percent, of several folds their mean; mean ± sample deviation over the "
        "seeds. Gain: mIoU over the table's first row, seed by seed. Head: million parameters "
        "behind the backbone."
    )
    return "\n\n".join(parts) + "\n"


def as_json(groups: Sequence[Comparison], results: Sequence[RowResult]) -> list[dict[str, Any]]:
    """The same comparisons as plain values, gains with their spread."""
    return [
        {
            "title": group.title,
            "rows": [
                {
                    "variant": variant.name,
                    **variant.parts.model_dump(),
                    "strategy": variant.strategy,
                    "shots": variant.shots,
                    "mean_iou": _summary([means.mean_iou for means in own.values()]),
                    "gain": _summary(gain(results, variant.name, group.rows[0].name)),
                }
                for variant in group.rows
                if (own := by_seed(results, variant.name))
            ],
        }
        for group in groups
    ]


def _summary(values: Sequence[float]) -> dict[str, float | None] | None:
    """Mean and sample deviation; one value has no deviation, and none has neither."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "deviation": deviation}


def _row(variant: Variant, reference: Variant, results: Sequence[RowResult]) -> list[str] | None:
    own = by_seed(results, variant.name)
    if not own:
        return None
    parameters = next(r.parameters for r in results if r.variant == variant.name)
    over = gain(results, variant.name, reference.name) if variant != reference else []
    parts = variant.parts
    return [
        variant.name,
        *("yes" if on else "" for on in (parts.saam, parts.sdpm, parts.prior)),
        variant.strategy if parts.sdpm and variant.shots > 1 else "",
        str(variant.shots),
        f"{parameters / 1e6:.2f}",
        spread([means.mean_iou for means in own.values()], digits=2),
        spread([means.fb_iou for means in own.values()], digits=2),
        spread(over, digits=2, sign="+") if over else "",
    ]
