"""`python -m export.record`: keep a bundle's measured figures in its manifest.

A bundle is evaluated as it is served, after its export; its graphs stay as they were measured.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from model.contract import InvalidBundleError, Manifest, load_manifest, write_manifest
from model.evaluation.episodes import EpisodeReport
from model.evaluation.records import Evaluation, Protocol, RecordError, read_evaluations


def record_figures(bundle: Path, records: Path) -> Manifest:
    """Write the mean IoU over seeds of every recorded list of episodes into the manifest.

    Args:
        bundle: its directory.
        records: folder of what `model evaluate --json` wrote; those of other graphs, of another
            threshold than the bundle's, or not of what is served are left out.

    Raises:
        InvalidBundleError: the directory is no intact bundle.
        RecordError: no record is about these graphs, or one figure would be of several protocols.
    """
    manifest = load_manifest(bundle)
    hashes = {name: graph.sha256 for name, graph in manifest.graphs.items()}
    own = [
        evaluation
        for evaluation in read_evaluations(records).values()
        if evaluation.subject.sha256 == hashes
        and _as_served(evaluation.protocol)
        and evaluation.protocol.threshold == manifest.threshold
    ]
    figures = _figures(own)
    if not figures:
        raise RecordError(f"no list of episodes in {records} was run with the graphs of {bundle}")
    recorded = manifest.model_copy(update={"metrics": figures})
    write_manifest(bundle, recorded)
    return recorded


def _as_served(protocol: Protocol) -> bool:
    """Whether a prediction was one pass, without adaptation, scored at the original size."""
    plain = protocol.labels == "original" and protocol.scales == (1.0,)
    return plain and not protocol.flip and not protocol.adapted


def _figures(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    values: defaultdict[str, dict[int, float]] = defaultdict(dict)  # by the seed of the list
    protocols: dict[str, tuple[object, ...]] = {}
    for evaluation in evaluations:
        protocol = evaluation.protocol
        lists = (protocol.episodes, protocol.min_area, protocol.scheme)
        for result in evaluation.results:
            report = result.report
            if not isinstance(report, EpisodeReport):
                continue
            part = "" if result.fold is None else f" fold {result.fold}"
            name = f"{protocol.data}{part} {report.shots}-shot mIoU"
            if protocols.setdefault(name, lists) != lists or report.seed in values[name]:
                raise RecordError(
                    f"{name} is recorded twice, or of lists of several lengths, areas or folds: "
                    "keep those that the figure is to be of in a folder of their own"
                )
            values[name][report.seed] = report.mean_iou
    return {name: round(mean(found.values()), 2) for name, found in sorted(values.items())}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and record; 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m export.record", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--from", dest="records", type=Path, required=True, help="their folder")
    args = parser.parse_args(arguments)
    try:
        manifest = record_figures(args.bundle, args.records)
    except (InvalidBundleError, RecordError) as exc:
        print(exc, file=sys.stderr)
        return 2
    for name, value in manifest.metrics.items():
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
