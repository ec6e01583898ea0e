"""Label maps are checked before features are made, and what they hold is told."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.data.datasets import DatasetError, FolderDataset
from model.data.mixture import SetConfig, allowed_images
from model.data.survey import SetSurvey, check_label_maps
from tests.model.data.tiny_sets import HEIGHT, WIDTH, write_folder


def _check(root: Path, *, weight: float = 1.0, shots: int = 1) -> None:
    sets = [FolderDataset(root)]
    check_label_maps(
        [SetConfig(name=root.name, weight=weight)],
        sets,
        allowed_images(sets, frozenset()),
        shots=shots,
        workers=2,
    )


def _relabel(root: Path, number: int, label: NDArray[np.uint8]) -> None:
    Image.fromarray(label).save(root / "labels" / f"{number}.png")


def test_sound_label_maps_pass_and_too_few_of_a_class_do_not(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "parts")
    _check(root, shots=3)
    with pytest.raises(DatasetError, match="no class of parts is shown by the 5 images"):
        _check(root, shots=4)


def test_masks_of_0_and_255_show_no_class(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "parts")
    for number in range(4):
        _relabel(root, number, np.full((HEIGHT, WIDTH), 255, np.uint8))
    with pytest.raises(DatasetError, match="labels of 255 are ignored"):
        _check(root)
    _check(root, weight=0.0)


def test_a_set_without_rows_of_classes_is_told_so(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "parts")
    (root / "classes.csv").write_text("index,name\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="parts names no class"):
        _check(root)


def test_a_label_map_of_another_size_is_found_without_decoding_its_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_folder(tmp_path / "parts")
    image = root / "images" / "3.jpg"
    os.truncate(image, image.stat().st_size - 20)
    with pytest.raises(DatasetError, match="truncated"):
        FolderDataset(root).read(3)
    _check(root)
    _relabel(root, 3, np.full((WIDTH, HEIGHT), 3, np.uint8))
    with pytest.raises(DatasetError, match=r"images/3\.jpg"):
        _check(root)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_label_map_has_the_size_of_the_image_as_it_is_displayed(
    tmp_path: Path, suffix: str
) -> None:
    root = write_folder(tmp_path / "parts")
    (root / "images" / "3.jpg").unlink()
    orientation = Image.Exif()
    orientation[0x112] = 6  # a quarter turn
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "images" / f"3.{suffix}", exif=orientation)
    with pytest.raises(DatasetError, match="differ in size"):
        _check(root)
    _relabel(root, 3, np.full((WIDTH, HEIGHT), 3, np.uint8))
    _check(root)
    pixels, label = FolderDataset(root).read(3)
    assert pixels.shape[:2] == label.shape == (WIDTH, HEIGHT)


SURVEY = SetSurvey(
    "parts",
    images=48,
    names={1: "valve", 2: "bolt", 3: "nut", 4: "spring"},
    shown_in={0: 48, 1: 20, 2: 30, 3: 9, 4: 1, 255: 48},
    drawn_in={1: 20, 2: 25, 3: 9, 4: 1},
    shots=1,
)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "parts: 48 images, 3 of 4 classes; spring in 1 image"),
        (
            {"shown_in": {7: 2, 9: 1, 4: 1}},
            "parts: 48 images, 3 of 4 classes; spring in 1 image; "
            "label values 7, 9 not in classes.csv",
        ),
        (
            {"names": {5: "key", 4: "spring"}, "shown_in": {4: 40}},
            "parts: 48 images, 0 of 2 classes; key in no images, "
            "spring in 40 images, 1 of them above min_share",
        ),
        (
            {"names": {c: f"c{c}" for c in range(10, 20)}, "shown_in": {250: 1}},
            "parts: 48 images, 0 of 10 classes; c10 in no images, c11 in no images, c12 in no "
            "images, c13 in no images, c14 in no images, c15 in no images, c16 in no images, c17 "
            "in no images and 2 more; label value 250 not in classes.csv",
        ),
        ({"shots": 0}, "parts: 48 images, 4 of 4 classes"),
    ],
)
def test_a_line_tells_what_is_not_drawn(changes: dict[str, object], line: str) -> None:
    assert str(SURVEY._replace(**changes)) == line  # type: ignore[arg-type]
