"""Which file of a support folder is an image, and which one the mask of what."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.cli import main
from service.cli.failure import CommandError
from service.cli.support_folder import read_supports


def _lay(folder: Path, names: str) -> Path:
    folder.mkdir()
    for name in names.split():
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "shots"),
    [
        ("a.jpg a.duck.png", "duck: a.jpg a.duck.png"),
        ("a.jpg a.duck.png a.v1.2.png", "duck: a.jpg a.duck.png, v1.2: a.jpg a.v1.2.png"),
        ("a.jpg a.v1.png a.v1.2.png", "v1: a.jpg a.v1.png, v1.2: a.jpg a.v1.2.png"),
        ("a.png a.1.2.3.PNG", "1.2.3: a.png a.1.2.3.PNG"),
        ("a.jpg a.new.jpg a.new.duck.png", "duck: a.new.jpg a.new.duck.png"),
        ("10.22.png 10.22.duck.png", "duck: 10.22.png 10.22.duck.png"),
        ("a.jpg a.duck.png b.jpg c.d.jpg e.png", "duck: a.jpg a.duck.png"),
    ],
)
def test_a_mask_is_of_the_image_whose_name_it_begins_with(
    tmp_path: Path, names: str, shots: str
) -> None:
    supports = read_supports(_lay(tmp_path / "s", names))
    told = [
        f"{name}: {shot.image.name} {Path(str(shot.mask)).name}"
        for name, found in supports.shots.items()
        for shot in found
    ]
    assert ", ".join(told) == shots


@pytest.mark.parametrize("command", ["register", "label"])
@pytest.mark.parametrize("lost", ["b.dog.png", "ab.duck.png", "b.v1.2.png"])
def test_a_mask_of_no_image_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, lost: str
) -> None:
    support = _lay(tmp_path / "s", f"a.jpg a.duck.png {lost}")
    words = {
        "register": ["--url", "http://127.0.0.1:9"],
        "label": [str(tmp_path), "--out", str(tmp_path / "out")],
    }
    assert main([command, "--support", str(support), *words[command]]) == 2
    assert f"{support / lost} is the mask of no image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("a.jpg a.duck.png b.jpg b.duck.jpg", "b.duck.jpg is no mask of b: masks are PNG files"),
        ("a.jpg a.duck.bmp", "a.duck.bmp is no mask of a: masks are PNG files"),
        (
            "a.jpg a.jpg.duck.png",
            "a.jpg.duck.png: a mask is called after its image without the suffix, a.duck.png",
        ),
        ("a.jpg a.JPG.png", "without the suffix, a.CLASS.png"),
        ("a.HEIC a.duck.png", "none is called a (JPEG, PNG, WebP, BMP or TIFF)"),
    ],
)
def test_a_file_that_cannot_be_the_mask_that_it_is_named_as_is_refused(
    tmp_path: Path, names: str, message: str
) -> None:
    with pytest.raises(CommandError) as raised:
        read_supports(_lay(tmp_path / "s", names))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("names", "doubts"),
    [
        ("a.jpg a.duck.png", []),
        (
            "a.jpg a.duck.png b.jpg b_duck.png",
            ["not used, for want of a mask: 2 images (b.jpg, b_duck.png)"],
        ),
        (
            "a.jpg a.duck.png b.jpg b.Duck.png",
            ["Duck, duck are classes of their own: they differ in capital letters alone"],
        ),
        (
            "a.jpg a.duck.png 1.bmp 2.bmp 3.bmp 4.bmp 5.bmp 6.bmp",
            [
                "not used, for want of a mask: "
                "6 images (1.bmp, 2.bmp, 3.bmp, 4.bmp, 5.bmp and 1 more)"
            ],
        ),
    ],
)
def test_what_is_likely_a_mistake_is_told(tmp_path: Path, names: str, doubts: list[str]) -> None:
    assert read_supports(_lay(tmp_path / "s", names)).doubts == doubts


def _lay_maps(folder: Path, table: bytes, maps: dict[str, int], *images: str) -> Path:
    """Label maps whose left half holds an index, and empty images."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for name in images:
        (folder / "images" / name).touch()
    for name, index in maps.items():
        labels = np.zeros((4, 4), np.uint8)
        labels[:, :2] = index
        Image.fromarray(labels).save(folder / "labels" / name)
    (folder / "classes.csv").write_bytes(table)
    return folder


TABLE = b"index,name\n0,background\n1,duck\n"


def test_label_maps_tell_what_they_hold_besides_the_classes(tmp_path: Path) -> None:
    maps = {"a.png": 1, "b.png": 255, "c.png": 7, "d.png": 7, "lost.png": 1}
    folder = _lay_maps(tmp_path / "s", TABLE, maps, "a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
    supports = read_supports(folder)
    assert [shot.image.name for shot in supports.shots["duck"]] == ["a.jpg"]
    assert supports.doubts == [
        "not used, for want of a label map labels/<id>.png: 1 image (e.jpg)",
        "not used, for want of an image images/<id>.jpg: 1 label map (lost.png)",
        "index 7 of 2 label maps is not in classes.csv: it counts as background",
    ]


def test_a_class_of_the_table_without_shots_keeps_its_number(tmp_path: Path) -> None:
    table = b"index,name\n3,pit\n1,duck\n2,scratch\n"
    folder = _lay_maps(tmp_path / "s", table, {"a.png": 1, "b.png": 3}, "a.jpg", "b.jpg")
    supports = read_supports(folder)
    assert [*supports.shots] == ["duck", "scratch", "pit"]
    assert supports.shots["scratch"] == []
    assert supports.doubts == ["not looked for, since no label map holds them: scratch"]
    assert supports.renumbered(supports.shots) == []
    assert supports.renumbered(["duck", "pit"]) == [
        "results have other numbers than classes.csv: pit is 2, not 3"
    ]


@pytest.mark.parametrize(
    ("table", "index", "message"),
    [
        (
            TABLE,
            255,
            "holds an index of classes.csv (found: 0, 255); 0 is the background, and 255 "
            "is ignored",
        ),
        (TABLE, 2, "holds an index of classes.csv (found: 0, 2)"),
        (TABLE + b"1,goose\n", 1, "classes.csv, line 4: index 1 is there twice"),
        (TABLE + b"2,duck\n", 1, "classes.csv, line 4: duck is there twice"),
        (TABLE + b"255,\n2,\n", 1, "classes.csv, line 5: class 2 has no name"),
        (TABLE + b"2\n", 1, "classes.csv, line 4: class 2 has no name"),
        (TABLE + b"300,goose\n", 1, "classes.csv, line 4: no label map holds 300, only 1-254"),
        (b"index,name\nduck,1\n", 1, "classes.csv, line 2: 'duck' is no index of a class"),
        (b"index;name\n1;duck\n", 1, "must begin with the line index,name, not 'index;name'"),
        (b"0,background\n1,duck\n", 1, "must begin with the line index,name, not '0,background'"),
        (b"", 1, "must begin with the line index,name, not ''"),
        (TABLE.decode().encode("utf-16"), 1, "classes.csv is no UTF-8: save it as CSV in UTF-8"),
        ("index,name\n1,flügel\n".encode("latin-1"), 1, "classes.csv is no UTF-8"),
    ],
)
def test_a_table_or_maps_of_no_use_are_told_by_what_is_found(
    tmp_path: Path, table: bytes, index: int, message: str
) -> None:
    folder = _lay_maps(tmp_path / "s", table, {"a.png": index}, "a.jpg")
    with pytest.raises(CommandError) as raised:
        read_supports(folder)
    assert message in str(raised.value)


def test_images_without_any_label_map_are_told(tmp_path: Path) -> None:
    folder = _lay_maps(tmp_path / "s", TABLE, {"b.png": 1}, "a.jpg")
    with pytest.raises(CommandError, match=r"no image has a label map .*labels/<id>\.png"):
        read_supports(folder)
