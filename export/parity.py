"""Parity as a gate: every output of every graph, ONNX against eager.

`python -m export.parity --bundle BUNDLE` compares the fp32 graphs of a bundle again, with the
network read back from them, and replaces the tensors in its `parity.json`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.graphs import comparison_inputs, wrap
from model.build import CheckpointError, restore_network
from model.contract import GRAPHS, GraphSpec, Manifest, load_manifest, replace_text
from model.runtime.graph_sessions import differing_names

PARITY_FILE = "parity.json"
TOLERANCE = 1e-4


class ParityError(RuntimeError):
    """ONNX and eager differ; the message names the tensor and the difference."""


@dataclass(frozen=True)
class TensorParity:
    """Largest absolute difference of an output, and its largest value.

    The gate holds the difference to `TOLERANCE` times the largest value where that exceeds 1:
    float32 itself is no finer than 1e-5 at values of a hundred.
    """

    graph: str
    tensor: str
    case: str
    shape: tuple[int, ...]
    max_error: float
    max_value: float


def compare(
    path: Path, spec: GraphSpec, graph: nn.Module, cases: dict[str, tuple[Tensor, ...]]
) -> list[TensorParity]:
    """Run each case through both sides.

    Args:
        path: the ONNX file.
        spec: its contract.
        graph: the eager module.
        cases: inputs by the name of the case in the report.

    Raises:
        ParityError: a name, a shape, a dtype or a value differs.
    """
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    if difference := differing_names(session, spec):
        raise ParityError(difference)
    report = []
    for case, inputs in cases.items():
        feeds = {t.name: v.numpy() for t, v in zip(spec.inputs, inputs, strict=True)}
        with torch.inference_mode():
            eager = graph(*inputs)
        expected = (eager,) if isinstance(eager, Tensor) else eager
        for tensor, actual, wanted in zip(
            spec.outputs, session.run(None, feeds), expected, strict=True
        ):
            what = f"{spec.name}.{tensor.name} ({case})"
            error, value = _checked(what, actual, wanted.numpy())
            report.append(TensorParity(spec.name, tensor.name, case, actual.shape, error, value))
    return report


def _checked(
    what: str, actual: NDArray[np.generic], expected: NDArray[np.generic]
) -> tuple[float, float]:
    """Largest difference and largest value; raises `ParityError` if the gate fails."""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        raise ParityError(
            f"{what}: {actual.dtype} {actual.shape}, expected {expected.dtype} {expected.shape}"
        )
    value = float(np.abs(expected.astype(np.float64)).max())
    error = float(np.abs(actual.astype(np.float64) - expected.astype(np.float64)).max())
    allowed = TOLERANCE * max(1.0, value)
    if not error <= allowed:
        raise ParityError(f"{what}: differs by {error:.3g}, allowed {allowed:.3g}")
    return error, value


def as_json(report: list[TensorParity], manifest: Manifest) -> dict[str, object]:
    """Plain values for `parity.json`: the tensors, and the SHA-256 of the graphs they came from."""
    return {
        "graphs": {name: graph.sha256 for name, graph in manifest.graphs.items()},
        "tensors": [asdict(row) for row in report],
    }


def compare_bundle(bundle: Path) -> list[TensorParity]:
    """Compare the fp32 graphs of a bundle with the network restored from them.

    Raises:
        ParityError: see `compare`.
        model.build.CheckpointError: not an intact bundle, or not one that can be restored.
    """
    network, _, _ = restore_network(bundle)
    graphs, inputs = load_manifest(bundle).graphs, comparison_inputs(network)
    wrapped = wrap(network)
    report = []
    for spec in GRAPHS:
        cases = {case: given[spec.name] for case, given in inputs.items()}
        path = bundle / graphs[spec.name].file
        report += compare(path, spec, wrapped[spec.name].eval(), cases)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and record; 0 on success, 1 when they differ, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m export.parity", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="its parity.json is changed")
    args = parser.parse_args(arguments)
    path = args.bundle / PARITY_FILE
    try:
        report = compare_bundle(args.bundle)
        parity = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ParityError as exc:
        print(exc, file=sys.stderr)
        return 1
    except (CheckpointError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 2
    parity |= as_json(report, load_manifest(args.bundle))
    replace_text(path, json.dumps(parity, indent=1) + "\n")
    worst = max(report, key=lambda row: row.max_error / max(1.0, row.max_value))
    print(f"{args.bundle}: {worst.graph}.{worst.tensor} differs most, by {worst.max_error:.2g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
