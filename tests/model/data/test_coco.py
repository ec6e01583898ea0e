"""COCO from tiny instance files."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from model.data.datasets import CocoDataset, DatasetError
from model.data.episodes import index_classes
from model.data.mixture import allowed_images
from tests.model.data.tiny_sets import HEIGHT, WIDTH, instance, rectangle, write_coco

# pycocotools answers NumPy 2's question for a copy in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PERSON, BOTTLE, TABLE = 1, 44, 67  # category ids; class indices are 1, 2, 3
BOTTLE_ON_TABLE = [
    instance(9, BOTTLE, rectangle(12, 8, 18, 16), area=48),
    instance(9, TABLE, rectangle(5, 5, 35, 25), area=600),
]
# Run lengths down the columns: the left half of the image is a crowd.
CROWD = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH // 2, HEIGHT * WIDTH // 2]}


def test_classes_are_counted_through_the_gaps_of_the_category_ids(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path, BOTTLE_ON_TABLE), "val")
    assert dataset.class_names == {1: "person", 2: "bottle", 3: "dining table"}


def test_more_categories_than_a_label_map_holds_are_refused(tmp_path: Path) -> None:
    root = write_coco(tmp_path, BOTTLE_ON_TABLE)
    path = root / "annotations" / "instances_val2014.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for count in (254, 255):
        kept = document["categories"]
        more = [{"id": 1000 + i, "name": f"thing {i}"} for i in range(count - len(kept))]
        path.write_text(json.dumps({**document, "categories": kept + more}), encoding="utf-8")
        dataset = CocoDataset(root, "val")
        if count == 254:
            assert max(dataset.class_names) == 254
            continue
        for read in (lambda: dataset.class_names, lambda: dataset.label(0)):  # noqa: B023
            with pytest.raises(DatasetError, match="255 categories, and a label map has room for"):
                read()


def test_images_without_annotation_are_left_out(tmp_path: Path) -> None:
    one_more = instance(4, PERSON, rectangle(0, 0, 4, 4), area=16)
    dataset = CocoDataset(write_coco(tmp_path, [*BOTTLE_ON_TABLE, one_more]), "val")
    assert (dataset.ids, len(dataset)) == ((4, 9), 2)


@pytest.mark.parametrize("step", [1, -1])
def test_the_smaller_instance_lies_on_top(tmp_path: Path, step: int) -> None:
    dataset = CocoDataset(write_coco(tmp_path, BOTTLE_ON_TABLE[::step]), "val")
    image, label = dataset.read(0)
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert {c: int((label == c).sum()) for c in (0, 2, 3)} == {0: 600, 2: 48, 3: 552}
    assert (label[8:16, 12:18] == 2).all()


def test_a_crowd_is_ignored_where_no_instance_covers_it(tmp_path: Path) -> None:
    crowd = instance(9, PERSON, CROWD, area=1, crowd=True)
    label = CocoDataset(write_coco(tmp_path, [*BOTTLE_ON_TABLE, crowd]), "val").label(0)
    assert (label[:5, :20] == 255).all()
    assert (label[8:16, 12:18] == 2).all()
    assert (label[5:8, 5:20] == 3).all()
    assert (label[:5, 20:] == 0).all()


@pytest.mark.parametrize("step", [1, -1])
def test_areas_are_those_of_the_label_map(tmp_path: Path, step: int) -> None:
    instances = [
        instance(4, TABLE, rectangle(0, 0, 20, 20), area=400),
        instance(4, TABLE, rectangle(15, 15, 30, 25), area=150),
        instance(4, BOTTLE, rectangle(10, 10, 18, 22), area=96),
        instance(4, PERSON, CROWD, area=600, crowd=True),
    ]
    dataset = CocoDataset(write_coco(tmp_path, instances[::step]), "val")
    label = dataset.label(0)
    shown = {c: int((label == c).sum()) for c in (1, 2, 3)}
    assert dataset.class_areas(0) == shown == {1: 0, 2: 96, 3: 439}
    found = index_classes(dataset, (1, 2, 3), min_area=100).images
    assert {c: rows.tolist() for c, rows in found.items()} == {1: [], 2: [], 3: [0]}


def test_no_episode_names_an_image_that_hides_its_class(tmp_path: Path) -> None:
    same = rectangle(5, 5, 35, 25)
    instances = [
        instance(4, TABLE, same, area=600),
        instance(4, BOTTLE, same, area=600),  # annotated twice, as two classes
        *BOTTLE_ON_TABLE,
    ]
    dataset = CocoDataset(write_coco(tmp_path, instances), "val")
    assert not (dataset.label(0) == 3).any()
    assert dataset.class_areas(0) == {2: 600, 3: 0}
    found = index_classes(dataset, (2, 3), min_area=1).images
    assert {c: rows.tolist() for c, rows in found.items()} == {2: [0, 1], 3: [1]}
    # Training leaves it out all the same where the hidden class is an excluded one.
    images = allowed_images([dataset], frozenset({"dining table"}))
    assert images == []


def test_an_image_whose_excluded_class_is_a_crowd_is_left_out(tmp_path: Path) -> None:
    instances = [
        *BOTTLE_ON_TABLE,
        instance(4, PERSON, CROWD, area=600, crowd=True),
        instance(4, BOTTLE, rectangle(0, 0, 4, 4), area=16),
    ]
    dataset = CocoDataset(write_coco(tmp_path, instances), "val")
    assert dataset.ids == (4, 9)
    images = allowed_images([dataset], frozenset({"person"}))
    assert [image.image_index for image in images] == [1]


def test_20i_reads_2014_unless_a_year_is_named(tmp_path: Path) -> None:
    write_coco(tmp_path, BOTTLE_ON_TABLE, "val2014")
    write_coco(tmp_path, BOTTLE_ON_TABLE[:1], "val2017")
    assert set(CocoDataset(tmp_path, "val").class_areas(0)) == {2, 3}
    later = CocoDataset(tmp_path, "val2017")
    assert set(later.class_areas(0)) == {2}
    assert later.read(0)[0].shape == (HEIGHT, WIDTH, 3)


def test_another_process_is_not_sent_the_annotations(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path, BOTTLE_ON_TABLE * 200), "val")
    label = dataset.label(0)
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 1000
    assert np.array_equal(pickle.loads(pickled).label(0), label)  # noqa: S301  (its own)


def test_nothing_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    len(CocoDataset(write_coco(tmp_path, BOTTLE_ON_TABLE), "val"))
    assert capsys.readouterr().out == ""


def test_missing_annotations_are_named(tmp_path: Path) -> None:
    root = write_coco(tmp_path, BOTTLE_ON_TABLE)
    with pytest.raises(DatasetError, match=r"annotations/instances_train\*\.json"):
        len(CocoDataset(root, "train"))


def test_a_missing_photograph_is_named(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path, BOTTLE_ON_TABLE), "val")
    (tmp_path / "val2014" / "COCO_val2014_000000000009.jpg").unlink()
    with pytest.raises(DatasetError, match=r"val2014/COCO_val2014_000000000009\.jpg"):
        dataset.read(0)


@pytest.mark.parametrize("text", ["{", "[]", '{"annotations": [{}], "images": [{}]}'])
def test_another_json_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "annotations" / "instances_val2014.json"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"instance annotations in .*instances_val2014\.json"):
        len(CocoDataset(tmp_path, "val"))
