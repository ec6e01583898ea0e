"""`python -m export.narrow`: halve what the weights of a bundle's fp32 graphs take on disk.

Their weights are kept in half precision behind a cast. onnxruntime casts them once, when it loads
the graph, and computes in float32 as before. Tiers are made after that: they read their weights
from these files.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.parity import PARITY_FILE
from export.rendered import rendered_defects
from export.staging import replacing
from export.tiers.sharing import reads_elsewhere
from model.build.graph_names import FP16_WEIGHT_SUFFIX, NETWORK_PREFIX
from model.contract import (
    GraphFile,
    InvalidBundleError,
    SupportSet,
    load_manifest,
    resize_image,
    resize_mask,
    write_manifest,
)
from model.runtime import BundleRuntime

_MIN_ELEMENTS = 16_384  # of a tensor that is worth a cast
_MAX_DIFFERENCE = 0.02  # of the largest logit
_IMAGES = 8
_FP16_MAX = float(np.finfo(np.float16).max)


class NarrowingError(RuntimeError):
    """The logits of the narrowed graphs differ too much; the message says by how much."""


class Narrowed(NamedTuple):
    """Bytes of the fp32 graphs before and after, and the share by which the largest logit moved."""

    before: int
    after: int
    difference: float


def narrow_bundle(bundle: Path) -> Narrowed:
    """Narrow the fp32 graphs; at the end the whole bundle is replaced at once.

    Raises:
        NarrowingError: logits differ by more than 2 % of the largest one; nothing is changed.
        model.contract.InvalidBundleError: not an intact bundle, or a tier reads its weights from
            the fp32 graphs.
    """
    manifest = load_manifest(bundle)
    for precision, tier in manifest.tiers.items():
        if any(
            reads_elsewhere(onnx.load(bundle / g.file, load_external_data=False))
            for g in tier.graphs.values()
        ):
            raise InvalidBundleError(
                f"the {precision} tier of {bundle} reads weights of the fp32 graphs: narrow first, "
                "then make the tier again"
            )
    with replacing(bundle) as staging:
        for graph in manifest.graphs.values():
            model = onnx.load(staging / graph.file)
            narrow(model)
            onnx.save(model, staging / graph.file)
        graphs = {name: GraphFile.of(staging / g.file) for name, g in manifest.graphs.items()}
        # A tier may share a graph with fp32, as the prototype graph is shared.
        own = {graph.file: graph for graph in graphs.values()}
        tiers = {
            precision: tier.model_copy(
                update={
                    "graphs": {n: own.get(g.file, g) for n, g in tier.graphs.items()},
                    "metrics": {},
                }
            )
            for precision, tier in manifest.tiers.items()
        }
        # What was measured with the old graphs, or beside them, is measured again: `export.parity`,
        # `export.tiers` and `export.record` add it.
        (staging / PARITY_FILE).unlink(missing_ok=True)
        changed = {"graphs": graphs, "tiers": tiers, "metrics": {}}
        write_manifest(staging, manifest.model_copy(update=changed))
        difference = _difference(bundle, staging)
        if not difference <= _MAX_DIFFERENCE:
            raise NarrowingError(
                f"the largest logit moves by {difference:.1%}, allowed {_MAX_DIFFERENCE:.0%}"
            )
    return Narrowed(_size(manifest.graphs.values()), _size(graphs.values()), difference)


def _size(graphs: Iterable[GraphFile]) -> int:
    return sum(graph.size_bytes for graph in graphs)


def narrow(model: onnx.ModelProto) -> None:
    """Store a graph's large float32 weights in half precision, in place."""
    casts = []
    for constant in model.graph.initializer:
        if constant.data_type != TensorProto.FLOAT or np.prod(constant.dims) < _MIN_ELEMENTS:
            continue
        if constant.name.startswith(NETWORK_PREFIX) and not constant.name.endswith(".weight"):
            continue  # no weight but a matrix, whose rounding would not be one of training
        values = numpy_helper.to_array(constant)
        if np.abs(values).max() > _FP16_MAX:
            continue
        name = constant.name
        halved = name + FP16_WEIGHT_SUFFIX
        constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), halved))
        casts.append(helper.make_node("Cast", [halved], [name], name, to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _difference(before: Path, after: Path) -> float:
    """Largest change of a logit over rendered images, as a share of the largest logit."""
    sides = [BundleRuntime(each) for each in (before, after)]
    side = sides[0].manifest.input_side
    rendered = rendered_defects(per_class=2, side=side)
    largest = moved = np.float32(0)
    for number in range(min(_IMAGES, len(rendered))):
        image, label = rendered.read(number)
        pixels, share = resize_image(image, side)[None], resize_mask(label > 0, side)[None]
        answers = [_answer(runtime, pixels, share) for runtime in sides]
        # Unlike `max`, `np.maximum` keeps a NaN, which no gate lets pass.
        largest = np.maximum(largest, np.abs(answers[0]).max())
        moved = np.maximum(moved, np.abs(answers[0] - answers[1]).max())
    return float(moved / largest)


def _answer(
    runtime: BundleRuntime, pixels: NDArray[np.uint8], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Logits of an image that is its own support."""
    shots = runtime.prototypes(runtime.encode(pixels, share), share)
    found = runtime.head(runtime.encode(pixels), np.zeros(1, np.int64), [SupportSet(tuple(shots))])
    return found.logits


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and narrow; 0 on success, 1 when the gate fails, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m export.narrow", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="directory, changed in place")
    args = parser.parse_args(arguments)
    try:
        narrowed = narrow_bundle(args.bundle)
    except NarrowingError as exc:
        print(exc, file=sys.stderr)
        return 1
    except InvalidBundleError as exc:
        print(exc, file=sys.stderr)
        return 2
    print(
        f"{narrowed.before / 1e6:.1f} MB are {narrowed.after / 1e6:.1f} MB now; the largest logit "
        f"moves by {narrowed.difference:.2%}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
