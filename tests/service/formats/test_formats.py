"""Datasets, read back by the tools that will read them."""

import io
import json
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from shapely.geometry import shape

from model.data.datasets.base import class_areas
from model.data.datasets.opening import open_dataset
from service.formats import (
    ClassMask,
    ExportOptions,
    FolderSink,
    LabelledImage,
    Stems,
    ZipSink,
    export_dataset,
    safe_path,
)
from service.imaging import Part
from service.schemas import FORMATS, MAX_CLASSES
from tests.service.pictures import iou

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HEIGHT, WIDTH = 120, 90
CLASSES = ("ring", 'speckle: "odd"', "nothing")
Mask = NDArray[np.bool_]


def ring() -> Mask:
    """Two objects, one of them with two holes."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(canvas, (40, 50), 30, 1, -1)
    cv2.circle(canvas, (30, 45), 8, 0, -1)
    cv2.circle(canvas, (50, 60), 9, 0, -1)
    cv2.rectangle(canvas, (70, 100), (89, 119), 1, -1)
    return canvas.astype(np.bool_)


def speckle() -> Mask:
    """Every way in which pixels can touch, outside of the ring."""
    noise = np.random.default_rng(3).random((HEIGHT, WIDTH)) < 0.5
    noise[15:] = False
    return noise


MASKS = {CLASSES[0]: ring(), CLASSES[1]: speckle(), CLASSES[2]: np.zeros_like(ring())}


def labelled(file_name: str = "line 1/part.jpg") -> LabelledImage:
    masks = tuple(ClassMask.of(name, mask, score=0.75) for name, mask in MASKS.items())
    return LabelledImage(file_name, HEIGHT, WIDTH, masks)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    export_dataset([labelled(), labelled("b.png")], CLASSES, FORMATS, FolderSink(tmp_path))
    return tmp_path


def test_label_map_and_names(folder: Path) -> None:
    with Image.open(folder / "masks/labels/line 1/part.png") as image:
        assert image.mode == "P"
        labels = np.asarray(image)
    for number, mask in enumerate(MASKS.values(), start=1):
        np.testing.assert_array_equal(labels == number, mask)
    assert (folder / "masks/classes.csv").read_text().splitlines() == [
        "index,name",
        "1,ring",
        '2,"speckle: ""odd"""',
        "3,nothing",
    ]


def test_label_map_alone_is_the_same(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    export_dataset([labelled()], CLASSES, ["png"], FolderSink(alone))
    name = "masks/labels/line 1/part.png"
    assert (alone / name).read_bytes() == (folder / name).read_bytes()


def test_the_last_of_most_classes_is_none_that_readers_ignore(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(MAX_CLASSES)]
    image = LabelledImage("a.png", HEIGHT, WIDTH, (ClassMask.of(names[-1], ring()),))
    export_dataset([image], names, ["png"], FolderSink(tmp_path))
    (tmp_path / "masks/images").mkdir()
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "masks/images/a.png")
    areas = class_areas(open_dataset(tmp_path / "masks"), 0)
    assert areas == {MAX_CLASSES: ring().sum()}


@pytest.mark.parametrize("instances", ["component", "class"])
def test_coco_masks_are_equal_bit_for_bit(tmp_path: Path, instances: Any) -> None:
    options = ExportOptions(instances=instances)
    export_dataset([labelled(), labelled("b")], CLASSES, ["coco"], FolderSink(tmp_path), options)
    coco = COCO(tmp_path / "coco.json")
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == [
        "line 1/part.jpg",
        "b",
    ]
    for image_id in coco.getImgIds():
        for category in coco.loadCats(coco.getCatIds()):
            found = coco.loadAnns(coco.getAnnIds([image_id], [category["id"]]))
            masks = [coco.annToMask(each) for each in found]
            whole = np.add.reduce(masks, axis=0) if masks else np.zeros((HEIGHT, WIDTH))
            np.testing.assert_array_equal(whole, MASKS[category["name"]])
            assert all(each["area"] == mask.sum() for each, mask in zip(found, masks, strict=True))
            assert not any(each["iscrowd"] for each in found)
    objects = coco.getAnnIds([1], [1])
    assert len(objects) == (2 if instances == "component" else 1)


def test_coco_polygons_keep_holes(tmp_path: Path) -> None:
    options = ExportOptions(segmentation="polygon")
    export_dataset([labelled()], CLASSES, ["coco"], FolderSink(tmp_path), options)
    coco = COCO(tmp_path / "coco.json")
    for category in coco.loadCats(coco.getCatIds()):
        found = coco.loadAnns(coco.getAnnIds([1], [category["id"]]))
        masks = [np.zeros((HEIGHT, WIDTH)), *(coco.annToMask(each) for each in found)]
        np.testing.assert_array_equal(np.add.reduce(masks), MASKS[category["name"]])


@pytest.mark.parametrize("instances", ["component", "class"])
def test_specks_are_no_objects_and_label_maps_keep_them(tmp_path: Path, instances: Any) -> None:
    """Each class is parts of several sizes; those of fewer pixels than asked for are left out."""
    parts = np.zeros((HEIGHT, WIDTH), np.bool_)
    parts[10:20, 10:20] = parts[60:65, 40:50] = True  # 100 and 50 pixels
    specks = np.zeros_like(parts)
    specks[[3, 30, 30], [80, 80, 82]] = specks[100:107, 80:87] = True  # 1, 1, 1 and 49
    masks = {"large": parts | specks, "small": np.roll(specks, -7, axis=1) & ~(parts | specks)}
    image = LabelledImage(
        "a.png", HEIGHT, WIDTH, tuple(ClassMask.of(name, mask) for name, mask in masks.items())
    )
    options = ExportOptions(instances=instances, min_area=50)
    export_dataset([image], tuple(masks), FORMATS, FolderSink(tmp_path), options)
    count = {"component": 2, "class": 1}[instances]
    coco = COCO(tmp_path / "coco.json")
    found = coco.loadAnns(coco.getAnnIds())
    assert [each["category_id"] for each in found] == [1] * count
    np.testing.assert_array_equal(np.add.reduce([coco.annToMask(each) for each in found]), parts)
    assert sum(each["area"] for each in found) == 150
    text = (tmp_path / "yolo/labels/a.txt").read_text()
    assert len(text.splitlines()) == count
    np.testing.assert_array_equal(yolo_mask(text, 0), parts)
    features = json.loads((tmp_path / "geojson/a.geojson").read_text())["features"]
    assert sum(shape(each["geometry"]).area for each in features) == 150
    with Image.open(tmp_path / "masks/labels/a.png") as labels:
        for number, mask in enumerate(masks.values(), start=1):
            np.testing.assert_array_equal(np.asarray(labels) == number, mask)


def yolo_mask(text: str, number: int) -> Mask:
    """What a reader of YOLO's polygons fills, at eight times the size to see pixel corners."""
    canvas = np.zeros((HEIGHT * 8, WIDTH * 8), np.uint8)
    for line in text.splitlines():
        kind, *numbers = line.split()
        corners = np.array(numbers, float).reshape(-1, 2)
        assert (corners >= 0).all()
        assert (corners <= 1).all()
        if int(kind) == number:
            pixels = corners * (WIDTH * 8, HEIGHT * 8) - 0.5
            cv2.fillPoly(canvas, [pixels.round().astype(np.int32)], 1)
    return canvas[4::8, 4::8].astype(np.bool_)


def test_yolo_polygons_cover_the_mask(folder: Path) -> None:
    text = (folder / "yolo/labels/line 1/part.txt").read_text()
    assert len([line for line in text.splitlines() if line.startswith("0 ")]) == 2
    assert iou(yolo_mask(text, 0), MASKS[CLASSES[0]]) > 0.97
    assert iou(yolo_mask(text, 1), MASKS[CLASSES[1]]) > 0.97
    data = yaml.safe_load((folder / "yolo/data.yaml").read_text())
    assert data["names"] == dict(enumerate(CLASSES))
    assert "path" not in data  # readers take the folder of the file


def test_yolo_names_are_those_of_the_classes(tmp_path: Path) -> None:
    names = ["🦆 duck", 'odd: "#"', "\ufffe\uffff", "部品"]
    export_dataset([], names, ["yolo"], FolderSink(tmp_path))
    data = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())
    assert list(data["names"].values()) == names


def test_geojson_is_valid_and_of_the_same_area(folder: Path) -> None:
    collection = json.loads((folder / "geojson/line 1/part.geojson").read_text())
    areas = dict.fromkeys(CLASSES, 0.0)
    for feature in collection["features"]:
        geometry = shape(feature["geometry"])
        assert geometry.is_valid
        assert geometry.area == feature["properties"]["area"]
        assert all(polygon.exterior.is_ccw for polygon in geometry.geoms)
        areas[feature["properties"]["class_name"]] += geometry.area
    assert areas == {name: float(mask.sum()) for name, mask in MASKS.items()}
    (holed,) = (f for f in collection["features"] if len(f["geometry"]["coordinates"][0]) == 3)
    assert holed["properties"]["class_name"] == "ring"


def test_zip_and_folder_hold_the_same(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.zip"
    with ZipSink(target) as sink:
        export_dataset([labelled(), labelled("b.png")], CLASSES, FORMATS, sink)
    with zipfile.ZipFile(target) as archive:
        for name in archive.namelist():
            assert archive.read(name) == (folder / name).read_bytes()
        assert len(archive.namelist()) == 9


class Counted(ClassMask):
    """A mask that notes when it is decoded."""

    decoded: ClassVar[list[str]] = []

    def decode(self) -> Part | None:
        self.decoded.append(self.class_name)
        return super().decode()


def test_a_mask_is_decoded_once_for_all_formats(tmp_path: Path) -> None:
    Counted.decoded.clear()
    image = labelled()._replace(classes=tuple(Counted(*each) for each in labelled().classes))
    export_dataset([image], CLASSES, FORMATS, FolderSink(tmp_path))
    assert Counted.decoded == list(CLASSES)


def test_a_class_without_pixels_takes_no_time(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(64)]
    empty = np.zeros((3000, 4000), np.bool_)
    masks = tuple(ClassMask.of(name, empty) for name in names)
    image = LabelledImage("a.jpg", *empty.shape, masks)
    started = time.thread_time()
    export_dataset([image], names, FORMATS, FolderSink(tmp_path))
    assert time.thread_time() - started < 1


def test_what_is_written_in_between_lies_in_the_scratch_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    export_dataset([labelled()], CLASSES, ["coco"], FolderSink(tmp_path), scratch=tmp_path)
    assert COCO(tmp_path / "coco.json").getAnnIds()
    assert [path.name for path in tmp_path.iterdir()] == ["coco.json"]


def test_thousands_of_images_of_one_name_take_no_time() -> None:
    stems = Stems()
    names = [stems.of("image.jpg") for _ in range(30_000)]
    assert names[:4] == ["image", "image_jpg", "image_jpg_2", "image_jpg_3"]
    assert len(set(names)) == len(names)


def test_a_name_of_thousands_of_folders_fits_in_a_zip() -> None:
    with ZipSink(io.BytesIO()) as sink:
        sink.write(f"masks/labels/{Stems().of('folder/' * 9_000 + 'a.png')}.png", b"")


def test_names_stay_inside_and_apart() -> None:
    stems = Stems()
    names = ["a.jpg", "a.png", "A.JPG", "../../etc/passwd", "/abs\\c\x00x.png", "..", ""]
    assert [stems.of(name) for name in names] == [
        "a",
        "a_png",
        "A_JPG",
        "etc/passwd",
        "abs/c_x",
        "image",
        "image_2",
    ]
    assert Stems().of("C:\\line 1\\a.png") == "line 1/a"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (".\udcff./x.jpg", ".?./x.jpg"),
        ("\udcff/etc/passwd.jpg", "?/etc/passwd.jpg"),
        ("\ud800.jpg", "?.jpg"),
    ],
)
def test_what_is_no_text_opens_no_way_out(name: str, path: str) -> None:
    assert safe_path(name) == path


@pytest.mark.parametrize(
    ("names", "stems"),
    [
        (["a.png", "a.png/c.png", "a.png/d.png"], ["a", "a.png_2/c", "a.png_2/d"]),
        (["a.png/c.png", "a.png", "a.jpg"], ["a.png/c", "a_png", "a_jpg"]),
        (["A.jpg", "a.TXT/b.geojson/c.png"], ["A", "a.TXT_2/b.geojson/c"]),
        (["b/a.png", "b/a.geojson/c.jpg", "a.png/c.jpg"], ["b/a", "b/a.geojson_2/c", "a.png/c"]),
        (["\u00e9.png", "e\u0301.png", "E\u0301.jpg"], ["\u00e9", "e\u0301_png", "E\u0301_jpg"]),
    ],
)
def test_no_folder_is_called_what_a_file_is(
    tmp_path: Path, names: list[str], stems: list[str]
) -> None:
    assert [*map(Stems().of, names)] == stems
    export_dataset([labelled(name) for name in names], CLASSES, FORMATS, FolderSink(tmp_path))
    for written in ("masks/labels/*.png", "yolo/labels/*.txt", "geojson/*.geojson"):
        folder, _, pattern = written.rpartition("/")
        found = [path for path in (tmp_path / folder).rglob(pattern) if path.is_file()]
        assert len(found) == len(names)


def test_names_are_those_that_the_images_have(tmp_path: Path) -> None:
    name = "run *1/2026-01-01T12:30:05 <a>|?.jpg"
    export_dataset([labelled(name)], CLASSES, FORMATS, FolderSink(tmp_path))
    assert (tmp_path / "yolo/labels" / name).with_suffix(".txt").is_file()
    (image,) = json.loads((tmp_path / "coco.json").read_text())["images"]
    assert image["file_name"] == name


def test_images_whose_files_have_another_name_are_told(tmp_path: Path) -> None:
    names = ["a.jpg", "a.png", "b/a.jpg", "B.jpg", "b.png", "..."]
    images = [labelled(name) for name in names]
    renamed = export_dataset(images, CLASSES, ["yolo"], FolderSink(tmp_path))
    assert renamed == {"a.png": "a_png", "b.png": "b_png", "...": "image"}


def test_label_maps_of_folders_inside_are_a_training_set(tmp_path: Path) -> None:
    names = ["a.png", "line 1/a.png", "line 1/day 2/b.png"]
    images = [labelled(name) for name in names]
    export_dataset(images, CLASSES, ["png"], FolderSink(tmp_path))
    for name in names:
        path = tmp_path / "masks/images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    dataset = open_dataset(tmp_path / "masks")
    assert len(dataset) == len(names)
    for index in range(len(names)):
        assert class_areas(dataset, index)[1] == ring().sum()


def test_names_too_long_for_files_are_cut(tmp_path: Path) -> None:
    names = ["部" * 90 + ".jpg", "部" * 83 + ".jpg", "é" * 200 + "/a.jpg"]
    names += ["a.jpg", "a." + 250 * "x", "é" * 200 + "/a." + 250 * "x"]
    export_dataset([labelled(name) for name in names], CLASSES, FORMATS, FolderSink(tmp_path))
    assert len(list((tmp_path / "yolo/labels").rglob("*.txt"))) == len(names)
