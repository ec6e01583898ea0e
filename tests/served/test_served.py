"""The measurement of masks as served, on a set whose answer is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.export.coloured_set import write_coloured_set
from tests.served.__main__ import main
from tests.service.tiny_bundle import write_tiny_bundle


def test_what_a_bundle_marks_over_http_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = write_tiny_bundle(tmp_path / "right")
    wrong = write_tiny_bundle(tmp_path / "wrong", name="wrong", inverted=True)
    data, file = write_coloured_set(tmp_path / "colours"), tmp_path / "out" / "served.json"
    words = ["--data", data, "--bundles", f"{right},{wrong}", "--episodes", "4", "--json", file]
    assert main([*map(str, words), "--shots", "1,2", "--min-area", "64"]) == 0
    rows = json.loads(file.read_text())
    assert [(row["bundle"], row["shots"], row["episodes"]) for row in rows] == [
        (str(bundle), shots, 4) for bundle in (right, wrong) for shots in (1, 2)
    ]
    # The shots tell that the other side is meant: `adapt=auto`.
    assert min(row["miou"] for row in rows) > 80
    assert f"{rows[0]['miou']:.1f}" in capsys.readouterr().out


def test_presence_is_scored_where_queries_lack_the_class(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "right")
    data, file = write_coloured_set(tmp_path / "colours"), tmp_path / "served.json"
    words = ["--data", data, "--bundles", bundle, "--episodes", "20", "--json", file]
    words += ["--absent", "0.5", "--shots", "1", "--min-area", "64"]
    assert main(list(map(str, words))) == 0
    (row,) = json.loads(file.read_text())
    # Its presence is that of the likeliest pixel, and colours do not lie.
    assert row["auroc"] > 95
    assert row["present_kept"] == 100
    assert row["miou_gated"] >= row["miou"]


def test_what_is_elsewhere_than_its_label_says_is_not_found(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "right")
    data, file = write_coloured_set(tmp_path / "colours"), tmp_path / "served.json"
    for path in (data / "labels").iterdir():
        label = np.asarray(Image.open(path))
        Image.fromarray(np.rot90(label, 2 * (path.stem[-1] == "2"))).save(path)
    words = ["--data", data, "--bundles", bundle, "--episodes", "8", "--json", file]
    assert main([*map(str, words), "--shots", "2", "--min-area", "64"]) == 0
    (row,) = json.loads(file.read_text())
    assert row["miou"] < 65  # one label in three is on the wrong side, and is shot or query


def test_a_folder_that_is_no_set_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
