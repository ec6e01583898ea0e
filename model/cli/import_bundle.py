"""Write the network of a bundle as a checkpoint."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from model.build import CheckpointError, network_state, restore_network, write_checkpoint
from model.contract import InvalidBundleError, Manifest, clipped_logit
from model.nets import SDAANet
from model.output_paths import OutputError, file_to_write
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter, EagerSegmenter

# Logits, those of presence too, are about ten; a bundle keeps shots in half precision.
_MAX_DIFFERENCE = 0.1
_COARSE = 16  # pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("bundle", type=Path, help="such as model/bundles/lite")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")


def main(args: argparse.Namespace) -> int:
    """Read back, compare with the bundle, and write; returns the exit status."""
    if args.out.exists():
        print(f"{args.out} exists already", file=sys.stderr)
        return 2
    try:
        file_to_write(args.out)
        runtime = BundleRuntime(args.bundle)
        network, config, presence = restore_network(args.bundle)
        _require_same_answers(network, runtime)
        manifest = runtime.manifest
        state = network_state(network, config) | {"presence": presence._asdict()}
        if manifest.familiar is not None:
            state["familiar"] = manifest.familiar.model_dump()
        write_checkpoint(args.out, state | _progress(manifest))
    except (CheckpointError, InvalidBundleError, OutputError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 2
    print(f"{manifest.model}, {config.input_side} px, threshold {manifest.threshold}: {args.out}")
    return 0


def _require_same_answers(network: SDAANet, runtime: BundleRuntime) -> None:
    """Compare both on random noise as query and supports.

    One support is coarse and one fine: presence depends on how many there are that differ.

    Raises:
        CheckpointError: the predictions differ.
    """
    side = network.input_side
    rng = np.random.default_rng(0)
    query, fine, noise = rng.integers(256, size=(3, side, side, 3), dtype=np.uint8)
    coarse = noise.repeat(_COARSE, axis=0).repeat(_COARSE, axis=1)[:side, :side]
    supports = (fine, np.ascontiguousarray(coarse))
    mask = np.zeros((side, side), np.bool_)
    mask[side // 4 : side // 2, side // 4 : side // 2] = True
    ours, theirs = (
        each.segment("query", query, [each.add_support(k, s, mask) for k, s in enumerate(supports)])
        for each in (EagerSegmenter(network), BundleSegmenter(runtime))
    )
    logits_apart = float(np.abs(ours.logits - theirs.logits).max())
    presence_apart = abs(clipped_logit(ours.presence) - clipped_logit(theirs.presence))
    if not (logits_apart <= _MAX_DIFFERENCE and presence_apart <= _MAX_DIFFERENCE):
        raise CheckpointError(
            f"the network read back answers otherwise: its logits differ by {logits_apart:.2g}, "
            f"that of its presence by {presence_apart:.2g}"
        )


def _progress(manifest: Manifest) -> dict[str, Any]:
    """The training record in the form of a checkpoint, without the loss curves."""
    training = manifest.training
    if training is None:
        return {}
    return {
        "progress": {
            "episodes": training.episodes,
            "minutes": training.minutes,
            "curve": [],
            "training": json.dumps(training.config),
            "data": list(training.data),
            "excluded": list(training.excluded_classes),
        }
    }
