"""What a bundle is used to, measured on a set and kept in its manifest."""

from pathlib import Path

import numpy as np
import pytest

from export.familiar import main
from model.contract import load_manifest, resize_image
from model.data.datasets import FolderDataset
from model.runtime import BundleRuntime, are_familiar
from tests.export.coloured_set import write_coloured_set
from tests.service.tiny_bundle import SIDE, write_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def test_the_command_writes_centre_and_distance_of_familiar_images(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_coloured_set(tmp_path / "reds", [(255, 0, 0)])
    before = load_manifest(bundle)
    assert before.familiar is None
    assert main(["--bundle", str(bundle), "--data", str(data)]) == 0
    after = load_manifest(bundle)
    assert after.familiar is not None
    assert f"{after.familiar.distance}" in capsys.readouterr().out
    assert after == before.model_copy(update={"familiar": after.familiar})
    runtime = BundleRuntime(bundle, intra_op_threads=1)
    image, _ = FolderDataset(data).read(1)
    plain = [np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in ((0, 255, 0), (0, 0, 255))]
    seen = np.stack([resize_image(image, SIDE), *plain])
    told = are_familiar(runtime.encode(seen), after.familiar)
    assert told.tolist() == [True, False, False]


@pytest.mark.parametrize("missing", ["bundle", "data"])
def test_missing_files_are_reported(
    bundle: Path, tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"bundle": bundle, "data": write_coloured_set(tmp_path / "colours")}
    given[missing] = tmp_path / "nothing"
    assert main(["--bundle", str(given["bundle"]), "--data", str(given["data"])]) == 2
    assert "nothing" in capsys.readouterr().err
