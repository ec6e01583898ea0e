"""`python -m export`: what ends it, with which status, and what it leaves."""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from export import bundle as bundle_module
from export.__main__ import main
from export.bundle import ExportOptions, export_bundle
from model.evaluation.prediction import Prediction
from model.segmenters import BundleSegmenter
from tests.export.coloured_set import write_coloured_set
from tests.export.exported import Exported

Capture = pytest.CaptureFixture[str]


class _Inverted(BundleSegmenter):
    """A bundle whose answers are not those of the network."""

    def segment(
        self, key: object, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        prediction = super().segment(key, image, supports)
        return prediction._replace(logits=-prediction.logits)


def test_masks_that_differ_fail_the_export(
    exported: Exported, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_module, "BundleSegmenter", _Inverted)
    out = tmp_path / "bundle"
    assert main(["--checkpoint", str(exported.checkpoint), "--out", str(out)]) == 1
    message = capsys.readouterr().err
    # Other lines may be warnings of the libraries.
    (line,) = [line for line in message.splitlines() if line.startswith("mIoU over 50 episodes")]
    assert line.startswith("mIoU over 50 episodes: eager ")
    assert "ONNX" in line
    assert not out.exists()


def test_a_folder_that_is_no_bundle_is_kept(
    exported: Exported, tmp_path: Path, capsys: Capture
) -> None:
    kept = tmp_path / "notes.txt"
    kept.write_text("mine")
    assert main(["--checkpoint", str(exported.checkpoint), "--out", str(tmp_path)]) == 2
    assert "no bundle" in capsys.readouterr().err
    assert kept.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_read(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    out = tmp_path / "file" / "bundle"
    assert main(["--checkpoint", str(tmp_path / "missing"), "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"cannot make the folder {out.parent}: File exists\n"


def test_a_folder_that_nothing_can_be_written_into_is_told(
    exported: Exported, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anywhere
    out = tmp_path / "bundle"
    assert main(["--checkpoint", str(exported.checkpoint), "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"cannot write into {tmp_path}\n"


def test_a_disk_that_fails_is_told(
    exported: Exported, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(bundle_module, "_write_graphs", full)
    assert main(["--checkpoint", str(exported.checkpoint), "--out", str(tmp_path / "bundle")]) == 2
    assert "No space left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_checkpoint_is_told(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"nothing")
    assert main(["--checkpoint", str(path), "--out", str(tmp_path / "bundle")]) == 2
    assert "not a readable checkpoint" in capsys.readouterr().err
    path.unlink()
    assert main(["--checkpoint", str(path), "--out", str(tmp_path / "bundle")]) == 2
    assert f"{path} cannot be read: No such file or directory" in capsys.readouterr().err


def test_a_set_that_is_missing_is_told(exported: Exported, tmp_path: Path, capsys: Capture) -> None:
    options = ["--checkpoint", str(exported.checkpoint), "--out", str(tmp_path / "bundle")]
    assert main([*options, "--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_a_set_of_small_objects_needs_a_smaller_area_before_any_graph_is_made(
    exported: Exported, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class GraphsBegin(Exception):  # noqa: N818  (no error)
        """The graphs would be made now."""

    def begin(*_: object) -> None:
        raise GraphsBegin

    monkeypatch.setattr(bundle_module, "_write_graphs", begin)
    data = write_coloured_set(tmp_path / "colours")
    options = ["--checkpoint", str(exported.checkpoint), "--out", str(tmp_path / "bundle")]
    assert main([*options, "--data", str(data)]) == 2
    assert "objects under --min-area pixels do not count" in capsys.readouterr().err
    with pytest.raises(GraphsBegin):
        main([*options, "--data", str(data), "--min-area", "100"])


def test_the_gate_runs_on_a_set_of_small_objects(exported: Exported, tmp_path: Path) -> None:
    export_bundle(
        ExportOptions(
            checkpoint=exported.checkpoint,
            out=tmp_path / "bundle",
            name="tiny",
            revision="1",
            parity_data=write_coloured_set(tmp_path / "colours"),
            parity_episodes=2,
            min_area=100,
        )
    )
    miou = json.loads((tmp_path / "bundle" / "parity.json").read_text())["miou"]
    assert (miou["set"], miou["episodes"]) == ("colours", 2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--threshold", "0"),
        ("--threshold", "1.5"),
        ("--name", "No Name"),
        ("--min-area", "-5"),
    ],
)
def test_bad_options_are_refused_before_any_work(
    tmp_path: Path, capsys: Capture, option: str, value: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--checkpoint", "none", "--out", str(tmp_path / "bundle"), option, value])
    assert ended.value.code == 2
    assert value in capsys.readouterr().err
