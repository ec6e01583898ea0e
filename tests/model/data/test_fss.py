"""FSS-1000 from tiny class folders."""

from pathlib import Path

import numpy as np
import pytest

from model.data.datasets import DatasetError, FssDataset
from tests.model.data.tiny_sets import HEIGHT, WIDTH, write_fss

LISTS = {"fss1000_trn.txt": ["owl", "ab_wheel", "fox"], "fss1000_test.txt": ["cup"]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_fss(tmp_path, LISTS)


def test_classes_are_those_of_the_list_in_its_order(root: Path) -> None:
    train, test = FssDataset(root, "train"), FssDataset(root, "test")
    assert train.class_names == {1: "owl", 2: "ab_wheel", 3: "fox"}
    assert test.class_names == {1: "cup"}
    assert (len(train), len(test), train.name) == (30, 10, "fss_train")


def test_a_mask_is_of_its_folders_class(root: Path) -> None:
    image, label = FssDataset(root, "train").read(12)  # the third image of the second class
    assert (image.shape, label.shape) == ((HEIGHT, WIDTH, 3), (HEIGHT, WIDTH))
    assert (label[:7] == 2).all()
    # Of the greys along the outline, the lighter one belongs to the object.
    assert (label[7, 0], label[7, 1]) == (2, 0)
    assert not label[8:].any()


def test_a_user_names_a_list(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lists") / "mine.txt"
    path.write_text("fox\n", encoding="utf-8")
    assert FssDataset(root, str(path)).class_names == {1: "fox"}


def test_parts_share_no_class_and_make_the_whole(root: Path) -> None:
    parts = [FssDataset(root, f"train:{part}/2").classes for part in (1, 2)]
    assert sorted(sum(parts, ())) == sorted(LISTS["fss1000_trn.txt"])
    label = FssDataset(root, "train:2/2").label(0)
    assert set(np.unique(label)) == {0, 1}


def test_more_classes_than_a_label_map_holds_ask_for_parts(root: Path) -> None:
    (root / "fss1000_trn.txt").write_text("\n".join(map(str, range(520))), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"520 classes, and .* 254: .* such as train:1/3"):
        len(FssDataset(root, "train"))


def test_a_missing_list_is_named(root: Path) -> None:
    with pytest.raises(DatasetError, match=rf"expected a list at {root}/fss1000_val\.txt"):
        len(FssDataset(root, "val"))


def test_a_missing_class_is_named(root: Path) -> None:
    (root / "fss1000_test.txt").write_text("cup\nkettle\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"expected a class folder at {root}/kettle"):
        len(FssDataset(root, "test"))


def test_a_missing_mask_is_named(root: Path) -> None:
    (root / "cup" / "4.png").unlink()
    with pytest.raises(DatasetError, match=r"cup/4\.png"):
        FssDataset(root, "test").read(3)


@pytest.mark.parametrize("split", ["train:0/2", "train:3/2"])
def test_a_part_that_is_not_there_is_told(root: Path, split: str) -> None:
    with pytest.raises(DatasetError, match="no part"):
        len(FssDataset(root, split))
