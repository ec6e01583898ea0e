"""Export of a checkpoint to a bundle, which is written only if it passes every gate."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from export.convert import OPSET, convert
from export.graphs import comparison_inputs, wrap
from export.parity import PARITY_FILE, ParityError, TensorParity, as_json, compare
from export.rendered import rendered_defects
from export.staging import placing
from model.build import Checkpoint, CheckpointError, NetworkConfig
from model.build.presets import IMAGENET_MEAN, IMAGENET_STD
from model.contract import (
    GRAPHS,
    MANIFEST_FILE,
    Familiar,
    GraphFile,
    GraphSpec,
    Manifest,
    TrainingRecord,
    write_manifest,
)
from model.data.datasets import LabelledImages, open_dataset
from model.data.episodes import MIN_AREA, ClassIndex, index_classes, require_episodes
from model.evaluation import evaluate_episodes
from model.evaluation.segmenter import DEFAULT_THRESHOLD
from model.nets import SDAANet
from model.output_paths import OutputError, folder_to_write
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter, EagerSegmenter

MIOU_TOLERANCE = 0.1
_MIN_CELLS = 4  # of the feature map, a side
_CURVE_POINTS = 60
_GATE_SHOTS = 1
_RENDERED_PER_CLASS = 4


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What to export.

    Attributes:
        checkpoint: of `model train`.
        out: bundle directory, replaced when it exists.
        name: of the bundle.
        revision: of the weights.
        threshold: default foreground probability.
        input_side: pixels; by default that of training.
        parity_data: labelled set for the mIoU gate; without it, rendered surface defects.
        parity_episodes: of the mIoU gate; 0 compares tensors alone.
        min_area: pixels from which a class counts in an image of `parity_data`.
    """

    checkpoint: Path
    out: Path
    name: str
    revision: str
    threshold: float = DEFAULT_THRESHOLD
    input_side: int | None = None
    parity_data: Path | None = None
    parity_episodes: int = 50
    min_area: int = MIN_AREA


def export_bundle(options: ExportOptions) -> Manifest:
    """Write the bundle.

    Raises:
        ParityError: ONNX and eager differ; `out` is left as it was.
        model.output_paths.OutputError: `out` exists and is not a bundle, or its folder cannot be
            made or written into.
        model.build.CheckpointError: the checkpoint is not one, or lacks a part of the network.
        model.data.datasets.DatasetError: there is no set for the mIoU gate, or no class of it has
            two images.
    """
    folder_to_write(options.out.parent)
    _refuse_other_folders(options.out)
    checkpoint = Checkpoint.read(options.checkpoint)
    network, config = checkpoint.network(input_side=options.input_side)
    if not (config.use_saam and config.use_sdpm and config.use_prior):
        raise CheckpointError(f"{options.checkpoint} lacks parts of the network: it is an ablation")
    require_cells(network)
    gate_set = _gate_set(options, network.input_side)  # before minutes go into graphs
    with placing(options.out) as staging:
        report = _write_graphs(network, staging)
        manifest = _manifest(options, checkpoint, config, network, staging)
        write_manifest(staging, manifest)
        parity: dict[str, Any] = as_json(report, manifest)
        if gate_set is not None:
            parity["miou"] = _miou_gate(options, network, staging, gate_set)
        text = json.dumps(parity, indent=1)
        (staging / PARITY_FILE).write_text(text + "\n", encoding="utf-8")
    return manifest


def require_cells(network: SDAANet) -> None:
    """Require a feature map of the least size that a bundle may have.

    Raises:
        model.build.CheckpointError: the network's input side is too small for it.
    """
    if network.feature_side < _MIN_CELLS:
        raise CheckpointError(
            f"an input of {network.input_side} px has {network.feature_side} cells a side, and a "
            f"bundle at least {_MIN_CELLS}"
        )


def _refuse_other_folders(out: Path) -> None:
    """An earlier bundle may be replaced, and an empty folder filled; nothing else is deleted."""
    if out.exists() and not (
        out.is_dir() and ((out / MANIFEST_FILE).is_file() or not any(out.iterdir()))
    ):
        raise OutputError(f"{out} exists and is no bundle; choose another directory")


def _write_graphs(network: SDAANet, folder: Path) -> list[TensorParity]:
    inputs = comparison_inputs(network)
    wrapped = wrap(network)
    report = []
    for spec in GRAPHS:
        graph = wrapped[spec.name].eval()
        path = _path(folder, spec)
        cases = {case: given[spec.name] for case, given in inputs.items()}
        convert(graph, spec, cases["example"], path)
        report += compare(path, spec, graph, cases)
    return report


def _path(folder: Path, spec: GraphSpec) -> Path:
    return folder / f"{spec.name}.onnx"


def _manifest(
    options: ExportOptions,
    checkpoint: Checkpoint,
    config: NetworkConfig,
    network: SDAANet,
    folder: Path,
) -> Manifest:
    return Manifest(
        name=options.name,
        revision=options.revision,
        preset=config.preset,
        input_side=config.input_side,
        feature_side=network.feature_side,
        channels=config.channels,
        high_channels=network.backbone.high_channels,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        threshold=options.threshold,
        presence_threshold=checkpoint.presence_threshold,
        presence_growth=checkpoint.presence_growth,
        max_shot_bytes=config.max_shot_bytes,
        gates="product" if network.reference else "mean",
        familiar=_familiar(checkpoint, config.input_side),
        opset=OPSET,
        graphs={spec.name: GraphFile.of(_path(folder, spec)) for spec in GRAPHS},
        metrics={},
        training=_training_record(checkpoint),
    )


def _familiar(checkpoint: Checkpoint, input_side: int) -> Familiar | None:
    """The familiarity of an imported bundle; None at another side than it was measured at."""
    state = checkpoint.state
    if "familiar" not in state or state["config"]["input_side"] != input_side:
        return None
    return Familiar.model_validate(state["familiar"])


def _training_record(checkpoint: Checkpoint) -> TrainingRecord | None:
    progress = checkpoint.progress
    if not progress:
        return None
    training = json.loads(progress["training"])
    curve = progress["curve"]
    stride = max(1, len(curve) // _CURVE_POINTS)
    return TrainingRecord(
        data=tuple(progress["data"]),
        excluded_classes=tuple(progress["excluded"]),
        seed=training["seed"],
        minutes=round(progress["minutes"], 1),
        episodes=progress["episodes"],
        config=training,
        curves={
            f"{name} loss by step": [
                (point["step"], round(float(np.mean([p[name] for p in curve[i : i + stride]])), 4))
                for i, point in enumerate(curve)
                if i % stride == 0
            ]
            for name in ("main", "auxiliary", "support", "distillation")
        },
    )


class _GateSet(NamedTuple):
    """What the mIoU gate runs on: a set, and its classes with their images."""

    dataset: LabelledImages
    classes: ClassIndex


def _gate_set(options: ExportOptions, side: int) -> _GateSet | None:
    """The set for the mIoU gate, of which an episode can be drawn; None without the gate.

    Raises:
        model.data.datasets.DatasetError: there is no such set, or no class of it has two images.
    """
    if not options.parity_episodes:
        return None
    dataset: LabelledImages
    if options.parity_data is None:
        dataset, min_area = rendered_defects(per_class=_RENDERED_PER_CLASS, side=side), 1
    else:
        dataset, min_area = open_dataset(options.parity_data), options.min_area
    classes = index_classes(dataset, tuple(dataset.class_names), min_area)
    require_episodes([classes], [_GATE_SHOTS])
    return _GateSet(dataset, classes)


def _miou_gate(
    options: ExportOptions, network: SDAANet, bundle: Path, gate_set: _GateSet
) -> dict[str, Any]:
    """Compare the mIoU of both sides on the same episodes, over every class of the set."""
    dataset, classes = gate_set
    eager, onnx = (
        evaluate_episodes(
            segmenter,
            dataset,
            classes,
            shots=_GATE_SHOTS,
            episodes=options.parity_episodes,
            seed=0,
            threshold=options.threshold,
        ).mean_iou
        for segmenter in (
            EagerSegmenter(network, near_views=False),
            BundleSegmenter(BundleRuntime(bundle), near_views=False),
        )
    )
    if not abs(eager - onnx) <= MIOU_TOLERANCE:
        raise ParityError(
            f"mIoU over {options.parity_episodes} episodes: eager {eager:.2f}, ONNX {onnx:.2f}, "
            f"allowed difference {MIOU_TOLERANCE}"
        )
    return {
        "set": dataset.name,
        "episodes": options.parity_episodes,
        "eager": eager,
        "onnx": onnx,
    }
