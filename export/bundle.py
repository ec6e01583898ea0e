"""Export of a checkpoint to a bundle, which is written only if it passes every gate."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.convert import OPSET, convert
from export.graphs import comparison_inputs, wrap
from export.parity import PARITY_FILE, ParityError, TensorParity, as_json, compare
from export.staging import placing
from model.build import (
    CheckpointError,
    NetworkConfig,
    load_network,
    presence_growth,
    presence_threshold,
    read_checkpoint,
)
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
from model.data.datasets import LabelledImages, ProceduralDefects, open_dataset
from model.data.episodes import MIN_AREA, index_classes
from model.evaluation import evaluate_episodes
from model.evaluation.segmenter import DEFAULT_THRESHOLD
from model.nets import SDAANet
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter, EagerSegmenter

MIOU_TOLERANCE = 0.1
_MIN_CELLS = 4  # of the feature map, a side
_CURVE_POINTS = 60
_RENDERED_PER_CLASS = 4
_MIN_RENDERED_SIDE = 64  # pixels a side


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
    """

    checkpoint: Path
    out: Path
    name: str
    revision: str
    threshold: float = DEFAULT_THRESHOLD
    input_side: int | None = None
    parity_data: Path | None = None
    parity_episodes: int = 50


class OutputError(ValueError):
    """The output directory holds something that an export must not replace."""


def export_bundle(options: ExportOptions) -> Manifest:
    """Write the bundle.

    Raises:
        ParityError: ONNX and eager differ; `out` is left as it was.
        OutputError: `out` exists and is not a bundle.
        model.build.CheckpointError: the checkpoint is not one, or lacks a part of the network.
        model.data.datasets.DatasetError: there is no set for the mIoU gate.
    """
    _refuse_other_folders(options.out)
    network, config = load_network(options.checkpoint, input_side=options.input_side)
    if not (config.use_saam and config.use_sdpm and config.use_prior):
        raise CheckpointError(f"{options.checkpoint} lacks parts of the network: it is an ablation")
    if network.feature_side < _MIN_CELLS:
        raise CheckpointError(
            f"an input of {network.input_side} px has {network.feature_side} cells a side, and a "
            f"bundle at least {_MIN_CELLS}"
        )
    gate_set = _gate_set(options, network.input_side)  # before minutes go into graphs
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with placing(options.out) as staging:
        report = _write_graphs(network, staging)
        manifest = _manifest(options, config, network, staging)
        write_manifest(staging, manifest)
        parity: dict[str, Any] = as_json(report, manifest)
        if options.parity_episodes:
            parity["miou"] = _miou_gate(options, network, staging, gate_set)
        text = json.dumps(parity, indent=1)
        (staging / PARITY_FILE).write_text(text + "\n", encoding="utf-8")
    return manifest


def _refuse_other_folders(out: Path) -> None:
    """An earlier bundle may be replaced, and an empty folder filled; nothing else is deleted."""
    if out.exists() and not (
        out.is_dir() and ((out / MANIFEST_FILE).is_file() or not any(out.iterdir()))
    ):
        raise OutputError(f"{out} exists and is no bundle; choose another directory")


def _write_graphs(network: SDAANet, folder: Path) -> list[TensorParity]:
    inputs = comparison_inputs(network)
    report = []
    for spec in GRAPHS:
        graph = wrap(network)[spec.name].eval()
        path = _path(folder, spec)
        cases = {case: given[spec.name] for case, given in inputs.items()}
        convert(graph, spec, cases["example"], path)
        report += compare(path, spec, graph, cases)
    return report


def _path(folder: Path, spec: GraphSpec) -> Path:
    return folder / f"{spec.name}.onnx"


def _manifest(
    options: ExportOptions, config: NetworkConfig, network: SDAANet, folder: Path
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
        presence_threshold=presence_threshold(options.checkpoint),
        presence_growth=presence_growth(options.checkpoint),
        max_shot_bytes=config.max_shot_bytes,
        gates="product" if network.reference else "mean",
        familiar=_familiar(options.checkpoint, config.input_side),
        opset=OPSET,
        graphs={spec.name: GraphFile.of(_path(folder, spec)) for spec in GRAPHS},
        metrics={},
        training=_training_record(options.checkpoint),
    )


def _familiar(checkpoint: Path, input_side: int) -> Familiar | None:
    """The familiarity of an imported bundle; None at another side than it was measured at."""
    state = read_checkpoint(checkpoint)
    if "familiar" not in state or state["config"]["input_side"] != input_side:
        return None
    return Familiar.model_validate(state["familiar"])


def _training_record(checkpoint: Path) -> TrainingRecord | None:
    progress = read_checkpoint(checkpoint).get("progress")
    if progress is None:
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


def _gate_set(options: ExportOptions, side: int) -> tuple[LabelledImages, int]:
    """The set for the mIoU gate, and its minimum area of a class in pixels."""
    if options.parity_data is None:
        return ProceduralDefects(
            per_class=_RENDERED_PER_CLASS, side=max(side, _MIN_RENDERED_SIDE)
        ), 1
    return open_dataset(options.parity_data), MIN_AREA


def _miou_gate(
    options: ExportOptions, network: SDAANet, bundle: Path, gate_set: tuple[LabelledImages, int]
) -> dict[str, Any]:
    """Compare the mIoU of both sides on the same episodes, over every class of the set."""
    dataset, min_area = gate_set
    classes = index_classes(dataset, tuple(dataset.class_names), min_area)
    eager, onnx = (
        evaluate_episodes(
            segmenter,
            dataset,
            classes,
            shots=1,
            episodes=options.parity_episodes,
            seed=0,
            threshold=options.threshold,
        ).mean_iou
        for segmenter in (
            EagerSegmenter(network, near_views=False),
            BundleSegmenter(BundleRuntime(bundle), near_views=False),
        )
    )
    if abs(eager - onnx) > MIOU_TOLERANCE:
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
