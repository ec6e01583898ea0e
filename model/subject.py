"""Opens what an evaluation is about, a bundle, a checkpoint or a baseline, with its record."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError

from model.build import PRESETS, Checkpoint, load_pretrained
from model.build.pretrained import MOBILENET_FILE
from model.contract import Precision, file_sha256
from model.evaluation.averaged import AveragedSegmenter, side_at_scale
from model.evaluation.records import Subject
from model.evaluation.segmenter import DEFAULT_THRESHOLD, Segmenter
from model.lru_cache import KEPT_BYTES
from model.nets import SDAANet
from model.nets.backbones import MobileNetV2Backbone
from model.runtime import Adapt, BundleRuntime
from model.segmenters import BundleSegmenter, EagerSegmenter, NearestPrototypeSegmenter
from model.training import TrainConfig

NEAREST_PROTOTYPE = "nearest-prototype"

# The fold, the seed, the length of the schedule, and what changes no result.
_NOT_RECIPE: dict[str, Any] = {
    "unseen": {"fold"},
    "seed": True,
    "loading": True,
    "checkpoint_steps": True,
    "stages": {"__all__": {"steps", "epochs"}},
}


class SubjectError(ValueError):
    """A bundle or checkpoint cannot be evaluated with the given options."""


class Opened(NamedTuple):
    """Something to evaluate; `members` has one segmenter for each scale."""

    members: tuple[Segmenter, ...]
    subject: Subject
    threshold: float
    presence_threshold: float

    def segmenter(self, *, flip: bool, label_side: int | None) -> Segmenter:
        """The segmenter to evaluate; one that averages, if there are several scales or `flip`."""
        if len(self.members) == 1 and not flip:
            return self.members[0]
        return AveragedSegmenter(self.members, flip=flip, side=label_side)


def open_bundle(
    path: Path,
    *,
    name: str | None,
    scales: Sequence[float],
    input_side: int | None,
    device: str,
    adapt: Adapt = False,
    threshold: float | None = None,
    precision: Precision = "fp32",
    near_views: bool = True,
) -> Opened:
    """A bundle, as it is served on a CPU; with `adapt`, refitted to the supports of each episode.

    A refit is made for logits thresholded at `threshold`, by default the bundle's own. Without
    `near_views` presence is not judged as it is served.

    Raises:
        SubjectError: another size than the bundle's own was asked for, or another device.
        model.contract.InvalidBundleError: not an intact bundle.
        model.contract.MissingTierError: it lacks the tier of that precision.
    """
    runtime = BundleRuntime(path, precision=precision)
    manifest = runtime.manifest
    if tuple(scales) != (1.0,) or input_side not in (None, manifest.input_side):
        raise SubjectError(
            f"the graphs of {path} are fixed to {manifest.input_side} pixels: --scales and "
            "--input-side need a --checkpoint, such as `python -m model import-bundle` makes"
        )
    if device != "cpu":
        raise SubjectError("a bundle is evaluated on the CPU: --device goes with --checkpoint")
    training = manifest.training
    subject = Subject(
        kind="bundle",
        name=name or manifest.name,
        preset=manifest.preset,
        input_side=manifest.input_side,
        sha256={graph: file.sha256 for graph, file in manifest.graphs_of(precision).items()},
        precision=precision,
        trained_on=training.data if training else (),
        excluded_classes=training.excluded_classes if training else (),
        episodes=training.episodes if training else None,
        minutes=training.minutes if training else None,
        recipe=_recipe(training.config) if training else None,
    )
    return Opened(
        (BundleSegmenter(runtime, adapt=adapt, threshold=threshold, near_views=near_views),),
        subject,
        manifest.threshold,
        manifest.presence_threshold,
    )


def open_checkpoint(
    path: Path,
    *,
    name: str | None,
    scales: Sequence[float],
    input_side: int | None,
    device: str,
    near_views: bool = True,
) -> Opened:
    """The eager network of a checkpoint, once for each scale; `near_views` as in `open_bundle`.

    Raises:
        SubjectError: no such device.
        model.build.CheckpointError: not a checkpoint.
    """
    checkpoint = Checkpoint.read(path)
    network, config = checkpoint.network(input_side=input_side)
    sides = [
        side_at_scale(config.input_side, scale, network.backbone.side_step) for scale in scales
    ]
    networks = [
        network if side == config.input_side else checkpoint.network(input_side=side)[0]
        for side in sides
    ]
    limit_bytes = KEPT_BYTES // len(networks)
    members = [
        EagerSegmenter(on_device(n, device), near_views=near_views, limit_bytes=limit_bytes)
        for n in networks
    ]
    progress = checkpoint.progress
    subject = Subject(
        kind="checkpoint",
        name=name or path.resolve().parent.name,
        preset=config.preset,
        input_side=config.input_side,
        sha256={"checkpoint": file_sha256(path)},
        trained_on=tuple(progress.get("data", ())),
        excluded_classes=tuple(progress.get("excluded", ())),
        episodes=progress.get("episodes"),
        minutes=progress.get("minutes"),
        recipe=_recipe(json.loads(progress.get("training", "null"))),
    )
    return Opened(tuple(members), subject, DEFAULT_THRESHOLD, checkpoint.presence_threshold)


def open_baseline(
    weights_dir: Path,
    *,
    name: str | None,
    scales: Sequence[float],
    input_side: int | None,
    device: str,
) -> Opened:
    """The nearest prototype on MobileNetV2's ImageNet features, at the side of `lite` by default.

    Raises:
        SubjectError: several scales were asked for, or there is no such device.
        model.build.PretrainedWeightsError: the weights are not in the folder.
    """
    if tuple(scales) != (1.0,):
        raise SubjectError("the baseline has one scale: --scales needs a --checkpoint")
    require_device(device)
    backbone = MobileNetV2Backbone()
    load_pretrained(backbone, weights_dir)
    side = input_side or PRESETS["lite"]().input_side
    subject = Subject(
        kind="baseline",
        name=name or NEAREST_PROTOTYPE,
        preset=NEAREST_PROTOTYPE,
        input_side=side,
        sha256={"weights": file_sha256(weights_dir / MOBILENET_FILE)},
        trained_on=(),
        excluded_classes=(),
    )
    segmenter = NearestPrototypeSegmenter(backbone.to(device), input_side=side)
    return Opened((segmenter,), subject, DEFAULT_THRESHOLD, DEFAULT_THRESHOLD)


def _recipe(training: object) -> str | None:
    """Digest of a recipe without fold, seed and length; None if this release cannot read it.

    Fields that have their defaults do not count, so that one added later changes no digest.
    """
    try:
        config = TrainConfig.model_validate(training)
    except ValidationError:
        return None
    values = config.model_dump(mode="json", exclude=_NOT_RECIPE, exclude_defaults=True)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def on_device(network: SDAANet, device: str) -> SDAANet:
    """The network on a device such as `cuda`.

    Raises:
        SubjectError: no such device.
    """
    require_device(device)
    return network.to(device)


def require_device(device: str) -> None:
    """Raise `SubjectError` unless there is such a device."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as exc:
        raise SubjectError(f"--device {device} is not available here: {exc}") from exc
