"""Files that cannot be read as what they should be are a `DatasetError` that names them."""

import io
import re
from itertools import product
from pathlib import Path

import pytest
from PIL import Image

from model.data.datasets import DatasetError, FolderDataset
from model.data.datasets.base import read_image, read_label_map

READERS = (read_image, read_label_map)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_a_label_map_of_more_than_8_bits_is_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "0.tif"
    Image.new(mode, (4, 4), 257).save(path)  # 257 would become class 1
    with pytest.raises(DatasetError, match=re.escape(f"8 bits a channel, not {mode}: {path}")):
        read_label_map(path)


@pytest.mark.parametrize("read", READERS)
def test_an_image_too_large_for_pillow_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: object
) -> None:
    path = tmp_path / "large.png"
    Image.new("L", (40, 40)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 40 // 2 - 1)
    with pytest.raises(DatasetError, match=f"{path}: Image size"):
        read(path)  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.filterwarnings("ignore")  # Pillow's, about what it reads on without
def test_whatever_byte_is_damaged_the_image_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # Pillow takes a second for each image that says it has millions of rows.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4_000_000)
    whole = io.BytesIO()
    Image.new("L", (8, 8), 1).save(whole, kind)
    path = tmp_path / "damaged"
    for at, value in product(range(len(whole.getvalue())), (0, 1, 2, 3, 5, 7, 255)):
        damaged = bytearray(whole.getvalue())
        damaged[at] = value
        path.write_bytes(damaged)
        try:
            read_image(path)
        except DatasetError as error:
            assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("1", "class 1 has no name"),
        ("1,", "class 1 has no name"),
        ("1,cup\n256,key", "no label map holds index 256"),
        ("-1,cup", "no label map holds index -1"),
        ("1,cup\n2,cup", "cup is there twice"),
        ("1,cup\n1,key", "1 is there twice"),
        ("one,cup", "columns index,name"),
    ],
)
def test_classes_that_no_label_map_can_tell_apart_are_refused(
    tmp_path: Path, rows: str, problem: str
) -> None:
    (tmp_path / "classes.csv").write_text(f"index,name\n{rows}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=problem):
        _ = FolderDataset(tmp_path).class_names


def test_background_and_ignore_are_no_classes(tmp_path: Path) -> None:
    rows = "0,background\n1,cup\n254,key\n255,void"
    (tmp_path / "classes.csv").write_text(f"index,name\n{rows}\n", encoding="utf-8")
    assert FolderDataset(tmp_path).class_names == {1: "cup", 254: "key"}
