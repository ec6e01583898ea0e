"""Figures enter the manifest of the bundle they were measured with, and of no other."""

import shutil
from pathlib import Path

import pytest

from export.record import main
from model.contract import load_manifest
from model.evaluation.episodes import EpisodeReport
from model.evaluation.records import (
    Evaluation,
    Protocol,
    Result,
    Subject,
    write_evaluation,
)
from tests.export.exported import Exported


def _evaluation(hashes: dict[str, str], *, flip: bool = False) -> Evaluation:
    def result(shots: int, seed: int, miou: float) -> Result:
        report = EpisodeReport(
            episodes=9, shots=shots, seed=seed, mean_iou=miou, fb_iou=70.0, class_iou={"cup": miou}
        )
        return Result(fold=0, seen=False, seconds=1.0, report=report)

    return Evaluation(
        command="python -m model evaluate",
        subject=Subject(
            kind="bundle",
            name="tiny",
            preset="lite",
            input_side=97,
            sha256=hashes,
            trained_on=(),
            excluded_classes=(),
        ),
        protocol=Protocol(
            data="cups",
            images=8,
            episodes=9,
            min_area=1,
            labels="original",
            scales=(1.0,),
            flip=flip,
            threshold=0.5,
        ),
        results=(result(1, 0, 40.0), result(1, 1, 43.0), result(5, 0, 50.0)),
    )


@pytest.fixture
def bundle(exported: Exported, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported.bundle, tmp_path / "tiny"))


def _hashes(bundle: Path) -> dict[str, str]:
    return {str(name): graph.sha256 for name, graph in load_manifest(bundle).graphs.items()}


def test_means_over_seeds_are_recorded(bundle: Path, tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    write_evaluation(records / "own.json", _evaluation(_hashes(bundle)))
    write_evaluation(records / "mirrored.json", _evaluation(_hashes(bundle), flip=True))
    write_evaluation(records / "other.json", _evaluation({"encoder": "0" * 64}))
    before = load_manifest(bundle)
    assert main(["--bundle", str(bundle), "--from", str(records)]) == 0
    after = load_manifest(bundle)
    assert after.metrics == {"cups fold 0 1-shot mIoU": 41.5, "cups fold 0 5-shot mIoU": 50.0}
    assert after == before.model_copy(update={"metrics": after.metrics})


def test_records_of_another_bundle_are_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = tmp_path / "records"
    records.mkdir()
    write_evaluation(records / "other.json", _evaluation({"encoder": "0" * 64}))
    assert main(["--bundle", str(bundle), "--from", str(records)]) == 2
    assert "was run with the graphs" in capsys.readouterr().err
    assert load_manifest(bundle).metrics == {}


@pytest.mark.parametrize("field", ["episodes", "min_area"])
def test_a_figure_of_several_protocols_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str
) -> None:
    records = tmp_path / "records"
    records.mkdir()
    own = _evaluation(_hashes(bundle))
    write_evaluation(records / "own.json", own)
    protocol = own.protocol.model_copy(update={field: 300})
    write_evaluation(records / "probe.json", own.model_copy(update={"protocol": protocol}))
    assert main(["--bundle", str(bundle), "--from", str(records)]) == 2
    assert "lists of several lengths" in capsys.readouterr().err


def test_other_thresholds_than_the_bundles_are_left_out(bundle: Path, tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    own = _evaluation(_hashes(bundle))
    write_evaluation(records / "own.json", own)
    protocol = own.protocol.model_copy(update={"threshold": 0.6})
    write_evaluation(records / "other.json", own.model_copy(update={"protocol": protocol}))
    assert main(["--bundle", str(bundle), "--from", str(records)]) == 0
