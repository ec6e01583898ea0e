"""Adding precision tiers to a bundle: all of those requested, or none if a gate fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from export.staging import replacing
from export.tiers.calibration import Feeds, collect_feeds
from export.tiers.fp16 import halve
from export.tiers.int8 import FLOAT_CONVOLUTIONS, quantise
from export.tiers.measure import LoweredPrecision, TierMetrics, measure_tiers
from model.contract import (
    MANIFEST_FILE,
    GraphFile,
    Manifest,
    Tier,
    load_manifest,
    write_manifest,
)
from model.data.datasets import LabelledImages
from model.data.episodes import ClassIndex
from model.runtime import BundleRuntime

MAX_MIOU_LOSS = 0.5  # points of mean IoU
# The prototype graph is a few sums: lowering it gains nothing, and everything depends on it.
_LOWERED: tuple[Literal["encoder", "head"], ...] = ("encoder", "head")


class TierError(RuntimeError):
    """A tier loses more mIoU than the gate allows; the message says how much."""


@dataclass(frozen=True, kw_only=True)
class TierOptions:
    """Which tiers to add, and the sets to calibrate and measure them on.

    Attributes:
        bundle: directory, which gains the tiers.
        precisions: one for each tier.
        calibration: training images that int8 takes its ranges from.
        test: images that the tiers are measured on.
        test_classes: classes of the test images.
        data: name of the test images in the manifest.
        episodes: how many a tier is measured on.
        min_area: pixels from which a class counts in a calibration image.
        calibration_episodes: how many int8 is calibrated on, each a support and a query.
        force: keep a tier whatever it loses.
    """

    bundle: Path
    precisions: Sequence[LoweredPrecision]
    calibration: LabelledImages
    test: LabelledImages
    test_classes: ClassIndex
    data: str
    episodes: int
    min_area: int
    calibration_episodes: int = 48
    force: bool = False


def add_tiers(options: TierOptions) -> dict[LoweredPrecision, TierMetrics]:
    """Make, measure and add tiers; at the end the whole bundle is replaced at once.

    Raises:
        TierError: one loses more than the gate allows; the bundle is as it was.
        model.contract.InvalidBundleError: the directory is no intact bundle.
        model.data.datasets.DatasetError: no class to calibrate on.
    """
    load_manifest(options.bundle)
    with replacing(options.bundle) as staging:
        write_tiers(
            staging,
            options.precisions,
            options.calibration,
            episodes=options.calibration_episodes,
            min_area=options.min_area,
        )
        measured = measure_tiers(
            staging,
            options.precisions,
            options.test,
            options.test_classes,
            episodes=options.episodes,
        )
        _gate(measured, force=options.force)
        for precision, metrics in measured.items():
            _record(staging, precision, metrics.named(options.data))
        load_manifest(staging)
    return measured


def write_tiers(
    bundle: Path,
    precisions: Sequence[LoweredPrecision],
    calibration: LabelledImages,
    *,
    episodes: int,
    min_area: int,
) -> None:
    """Write graphs and manifest entries, without metrics."""
    runtime = BundleRuntime(bundle)
    for precision in precisions:
        if precision == "int8":
            feeds = collect_feeds(runtime, calibration, episodes=episodes, min_area=min_area)
            _write_int8(bundle, runtime.manifest, feeds)
        else:
            for graph in _LOWERED:
                halve(bundle / runtime.manifest.graphs[graph].file, _path(bundle, graph, "fp16"))
        _record(bundle, precision, {})


def _write_int8(bundle: Path, manifest: Manifest, feeds: Feeds) -> None:
    kept = {"encoder": FLOAT_CONVOLUTIONS.get(manifest.preset, 0), "head": 0}
    for graph in _LOWERED:
        quantise(
            bundle / manifest.graphs[graph].file,
            _path(bundle, graph, "int8"),
            getattr(feeds, graph),
            float_convolutions=kept[graph],
        )


def _path(bundle: Path, graph: str, precision: LoweredPrecision) -> Path:
    return bundle / f"{graph}.{precision}.onnx"


def _record(bundle: Path, precision: LoweredPrecision, metrics: dict[str, float]) -> None:
    """Add a tier to the manifest; its prototype graph is that of fp32."""
    manifest = Manifest.model_validate_json((bundle / MANIFEST_FILE).read_bytes())
    graphs = {"prototype": manifest.graphs["prototype"]}
    for graph in _LOWERED:
        graphs[graph] = GraphFile.of(_path(bundle, graph, precision))
    tiers = {**manifest.tiers, precision: Tier(graphs=graphs, metrics=metrics)}
    write_manifest(bundle, manifest.model_copy(update={"tiers": tiers}))


def _gate(measured: dict[LoweredPrecision, TierMetrics], *, force: bool) -> None:
    poor = {each: m for each, m in measured.items() if not m.lost <= MAX_MIOU_LOSS}
    if poor and not force:
        figures = "; ".join(
            f"{each} {m.miou:.2f}, fp32 {m.fp32_miou:.2f}" for each, m in poor.items()
        )
        raise TierError(
            f"more than {MAX_MIOU_LOSS} points of mIoU are lost: {figures}. Calibrate on images "
            "closer to those at work, or keep the tier with --force; the bundle is unchanged"
        )
