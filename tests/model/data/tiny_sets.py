"""Tiny sets in the folders and files of PASCAL VOC with SBD, COCO and FSS-1000."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 30, 40
VOC, SBD = Path("VOCdevkit", "VOC2012"), Path("benchmark_RELEASE", "dataset")

# The cases of the lists: `2007_000032` is VOC's alone, `2008_000008` VOC's and SBD's,
# `2008_000002` is held out by the main val list alone, `2007_000033` by the segmentation one alone.
PASCAL_LISTS = {
    VOC / "ImageSets/Segmentation/train.txt": ["2007_000032", "2008_000008"],
    VOC / "ImageSets/Segmentation/val.txt": ["2007_000033", "2008_000003"],
    VOC / "ImageSets/Main/val.txt": ["2008_000002", "2008_000003"],
    SBD / "train.txt": ["2009_000015", "2008_000008", "2008_000002", "2007_000033"],
    SBD / "val.txt": ["2008_000003", "2008_000019"],
}
PASCAL_TRAIN = ("2008_000008", "2008_000019", "2009_000015", "2007_000032")


def write_pascal(root: Path) -> Path:
    """Each image shows class 6 (`bus`) on its left and has a border where the label is VOC's."""
    for path, ids in PASCAL_LISTS.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("".join(f"{i}\n" for i in ids), encoding="utf-8")
    for path, ids in PASCAL_LISTS.items():
        for image_id in ids:
            _image(root / VOC / "JPEGImages" / f"{image_id}.jpg")
            if path.parent.name == "Segmentation":
                write_palette(root / VOC / "SegmentationClass" / f"{image_id}.png", _bus(255))
            if path.is_relative_to(SBD):
                mat = root / SBD / "cls" / f"{image_id}.mat"
                mat.parent.mkdir(exist_ok=True)
                savemat(mat, {"GTcls": {"Segmentation": _bus(6), "CategoriesPresent": [6]}})
    return root


def _bus(border: int) -> NDArray[np.uint8]:
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[:, :10], label[:, 10] = 6, border
    return label


def write_palette(path: Path, label: NDArray[np.uint8]) -> None:
    """A palette PNG whose colours are not its indices, as VOC's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(label).convert("P")
    image.putdata(label.ravel().tolist())
    image.putpalette([(37 * value + 5) % 256 for value in range(768)])
    image.save(path)


def rectangle(left: int, top: int, right: int, bottom: int) -> list[list[float]]:
    """A polygon of COCO around whole pixels."""
    return [[left, top, right, top, right, bottom, left, bottom]]


def instance(
    image_id: int, category_id: int, segmentation: object, *, area: float, crowd: bool = False
) -> dict[str, Any]:
    """One annotation but for its id."""
    return {
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": segmentation,
        "area": area,
        "iscrowd": int(crowd),
    }


def write_coco(root: Path, instances: list[dict[str, Any]], split: str = "val2014") -> Path:
    """Images 4, 7 and 9 of categories 1 `person`, 44 `bottle` and 67 `dining table`."""
    images = [
        {"id": i, "file_name": f"COCO_{split}_{i:012}.jpg", "height": HEIGHT, "width": WIDTH}
        for i in (9, 4, 7)
    ]
    categories = [(67, "dining table"), (1, "person"), (44, "bottle")]
    for image in images:
        _image(root / split / str(image["file_name"]))
    document = {
        "images": images,
        "annotations": [{"id": i, **one} for i, one in enumerate(instances, start=1)],
        "categories": [{"id": c, "name": name} for c, name in categories],
    }
    path = root / "annotations" / f"instances_{split}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return root


def write_fss(root: Path, lists: dict[str, list[str]]) -> Path:
    """Class folders of ten images, whose object grows by a row from image to image."""
    for name in {name for names in lists.values() for name in names}:
        for number in range(1, 11):
            mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            mask[: number + 4] = 255
            mask[number + 4, 0], mask[number + 4, 1] = 200, 90
            _image(root / name / f"{number}.jpg")
            Image.fromarray(mask).save(root / name / f"{number}.png")
    for file, names in lists.items():
        (root / file).write_text("\n".join(names) + "\n", encoding="utf-8")
    return root


def write_folder(root: Path) -> Path:
    """The project's own format: 4 images of class 3 `cup`."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    (root / "classes.csv").write_text("index,name\n0,background\n3,cup\n", encoding="utf-8")
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[5:20, 5:20] = 3
    for i in range(4):
        _image(root / "images" / f"{i}.jpg")
        Image.fromarray(label).save(root / "labels" / f"{i}.png")
    return root


def _image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(path)
