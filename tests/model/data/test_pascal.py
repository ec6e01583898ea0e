"""PASCAL-5i from tiny VOC and SBD folders."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from model.data.datasets import DatasetError, PascalDataset
from model.data.folds import PASCAL_CLASSES
from tests.model.data.tiny_sets import PASCAL_LISTS, PASCAL_TRAIN, SBD, VOC, write_pascal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_pascal(tmp_path)


def test_the_training_list_is_sbds_without_vocs_val_images_and_then_vocs_own(root: Path) -> None:
    assert PascalDataset(root, "train").ids == PASCAL_TRAIN


def test_the_val_list_is_vocs_segmentation_list(root: Path) -> None:
    val = PascalDataset(root, "val")
    assert val.ids == ("2007_000033", "2008_000003")
    assert not set(val.ids) & set(PASCAL_TRAIN)
    assert (len(val), val.name) == (2, "pascal_val")


def test_classes_are_vocs(root: Path) -> None:
    names = PascalDataset(root, "val").class_names
    assert (names[1], names[20], len(names)) == ("aeroplane", "tvmonitor", len(PASCAL_CLASSES))


@pytest.mark.parametrize(
    ("image_id", "values"),
    [("2007_000032", {0, 6, 255}), ("2008_000008", {0, 6, 255}), ("2009_000015", {0, 6})],
    ids=["VOC alone", "both", "SBD alone"],
)
def test_vocs_label_is_preferred_to_sbds(root: Path, image_id: str, values: set[int]) -> None:
    train = PascalDataset(root, "train")
    image, label = train.read(train.ids.index(image_id))
    assert set(np.unique(label)) == values
    assert (label[:, :10] == 6).all()
    assert image.shape == (*label.shape, 3)


def test_another_process_reads_the_same(root: Path) -> None:
    train = PascalDataset(root, "train")
    copy = pickle.loads(pickle.dumps(train))  # noqa: S301  (its own)
    assert np.array_equal(copy.label(1), train.label(1))


@pytest.mark.parametrize("path", PASCAL_LISTS, ids=str)
def test_a_missing_list_is_named(root: Path, path: Path) -> None:
    (root / path).unlink()
    with pytest.raises(DatasetError, match=f"expected a list at {root / path}"):
        len(PascalDataset(root, "train"))


def test_val_needs_no_sbd(root: Path) -> None:
    (root / SBD / "train.txt").unlink()
    assert len(PascalDataset(root, "val")) == 2


def test_a_missing_label_names_both_places(root: Path) -> None:
    (root / SBD / "cls" / "2009_000015.mat").unlink()
    with pytest.raises(DatasetError, match=r"SegmentationClass/2009_000015\.png or .*cls/2009"):
        PascalDataset(root, "train").label(2)


def test_a_missing_photograph_is_named(root: Path) -> None:
    (root / VOC / "JPEGImages" / "2008_000003.jpg").unlink()
    with pytest.raises(DatasetError, match=r"JPEGImages/2008_000003\.jpg"):
        PascalDataset(root, "val").read(1)


@pytest.mark.parametrize("content", [b"", b"not a matrix" * 40])
def test_a_damaged_sbd_file_is_told(root: Path, content: bytes) -> None:
    (root / SBD / "cls" / "2009_000015.mat").write_bytes(content)
    with pytest.raises(DatasetError, match=r"GTcls .*2009_000015\.mat"):
        PascalDataset(root, "train").label(2)


def test_an_unknown_split_is_told(root: Path) -> None:
    with pytest.raises(DatasetError, match="splits train and val, not test"):
        PascalDataset(root, "test")
