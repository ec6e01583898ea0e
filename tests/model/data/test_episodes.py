"""Episodes are data: their lists, and sets in the project's own format."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from model.data.datasets import (
    DatasetError,
    FolderDataset,
    ProceduralDefects,
    Subset,
    class_areas,
)
from model.data.datasets.folder import IMAGE_SUFFIXES
from model.data.episodes import (
    ClassIndex,
    binary_labels,
    draw_episode,
    index_classes,
    require_episodes,
)
from model.data.mixture import allowed_images
from service.schemas import IMAGE_SUFFIXES as SERVED_SUFFIXES

CLASSES = ClassIndex({3: np.arange(8), 5: np.arange(20, 24), 9: np.arange(40, 42)})


def test_an_episode_does_not_depend_on_those_drawn_before() -> None:
    in_order = [draw_episode(CLASSES, shots=2, seed=4, number=i) for i in range(30)]
    backwards = [draw_episode(CLASSES, shots=2, seed=4, number=i) for i in reversed(range(30))]
    assert in_order == backwards[::-1]
    assert len(set(in_order)) > 20
    assert in_order != [draw_episode(CLASSES, shots=2, seed=5, number=i) for i in range(30)]


@pytest.mark.parametrize("shots", [1, 3])
def test_query_and_supports_are_distinct_images_of_the_class(shots: int) -> None:
    for number in range(100):
        episode = draw_episode(CLASSES, shots=shots, seed=0, number=number)
        images = {episode.query, *episode.supports}
        assert len(images) == shots + 1
        assert images <= set(CLASSES.images[episode.class_index].tolist())


def test_a_class_with_too_few_images_is_left_out() -> None:
    drawn = {draw_episode(CLASSES, shots=3, seed=0, number=i).class_index for i in range(50)}
    assert drawn == {3, 5}


def test_too_few_images_for_any_class_is_an_error() -> None:
    with pytest.raises(DatasetError, match="9 images that a 8-shot"):
        draw_episode(CLASSES, shots=8, seed=0, number=0)


def test_what_may_be_behind_too_few_images_is_told() -> None:
    hint = "objects under --min-area pixels do not count, and labels of 255 are ignored"
    with pytest.raises(DatasetError, match=hint):
        draw_episode(CLASSES, shots=8, seed=0, number=0)


def test_every_list_is_tried_beforehand() -> None:
    few = ClassIndex({7: np.arange(2)})
    require_episodes([CLASSES, few], [1])
    with pytest.raises(DatasetError, match="3 images that a 2-shot"):
        require_episodes([CLASSES, few], [1, 2])


def test_binary_labels_keep_the_ignored_border() -> None:
    label = np.array([[0, 7, 3, 255]], np.uint8)
    assert binary_labels(label, 7).tolist() == [[0, 1, 0, 255]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images; class 1 `boat` in images 0 and 1, class 2 `sheep` in 1, 2 and 3."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    (tmp_path / "classes.csv").write_text(
        "index,name\n0,background\n1,boat\n2,sheep\n255,border\n", encoding="utf-8"
    )
    for i, classes in enumerate([(1,), (1, 2), (2,), (2,)]):
        label = np.zeros((20, 30), np.uint8)
        for c in classes:
            label[:, 10 * c - 10 : 10 * c] = c
        Image.fromarray(np.full((20, 30, 3), 60 * i, np.uint8)).save(
            tmp_path / "images" / f"{i}.jpg"
        )
        Image.fromarray(label).save(tmp_path / "labels" / f"{i}.png")
    return tmp_path


def test_a_folder_is_read(folder: Path) -> None:
    dataset = FolderDataset(folder)
    assert dataset.class_names == {1: "boat", 2: "sheep"}
    image, label = dataset.read(1)
    assert (len(dataset), image.shape, label.shape) == (4, (20, 30, 3), (20, 30))
    assert set(np.unique(label)) == {0, 1, 2}


def test_a_folder_reads_the_images_that_the_service_reads(folder: Path) -> None:
    assert IMAGE_SUFFIXES == SERVED_SUFFIXES
    for image_id, suffix in ((0, ".JPG"), (1, ".jpeg"), (2, ".png")):
        with Image.open(folder / "images" / f"{image_id}.jpg") as image:
            image.save(folder / "images" / f"{image_id}{suffix}")
        (folder / "images" / f"{image_id}.jpg").unlink()
    (folder / "images" / "._3.jpg").write_bytes(b"of macOS")
    (folder / "images" / "notes.txt").write_text("no image", encoding="utf-8")
    dataset = FolderDataset(folder)
    assert dataset.ids == ("0", "1", "2", "3")
    assert [round(dataset.read(i)[0].mean(), -1) for i in range(4)] == [0, 60, 120, 180]


def test_an_image_is_read_as_it_is_displayed(folder: Path) -> None:
    pixels = np.zeros((30, 20, 3), np.uint8)  # as the camera stores it
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # turned by 90 degrees clockwise
    Image.fromarray(pixels).save(folder / "images" / "1.jpg", exif=exif, quality=100)
    image, label = FolderDataset(folder).read(1)
    assert image.shape[:2] == label.shape == (20, 30)
    assert image[:8].min() > 200
    assert image[12:].max() < 50


def test_two_images_of_one_id_are_named(folder: Path) -> None:
    (folder / "images" / "1.png").write_bytes((folder / "images" / "1.jpg").read_bytes())
    with pytest.raises(DatasetError, match=r"1\.jpg and 1\.png"):
        len(FolderDataset(folder))


def test_images_in_folders_inside_have_label_maps_there(folder: Path) -> None:
    for kind, suffix in (("images", "jpg"), ("labels", "png")):
        (folder / kind / "line/.cache").mkdir(parents=True)
        (folder / kind / f"3.{suffix}").rename(folder / kind / f"line/3.{suffix}")
    (folder / "images/line/.cache/4.jpg").write_bytes(b"hidden")
    dataset = FolderDataset(folder)
    assert dataset.ids == ("0", "1", "2", "line/3")
    assert dataset.read(3)[0].mean().round(-1) == 180
    (folder / "images/line/3.png").write_bytes((folder / "images/line/3.jpg").read_bytes())
    with pytest.raises(DatasetError, match=r"line/3\.jpg and 3\.png"):
        len(FolderDataset(folder))


def test_an_image_of_16_bits_is_told(folder: Path) -> None:
    (folder / "images" / "1.jpg").unlink()
    Image.fromarray(np.zeros((20, 30), np.uint16)).save(folder / "images" / "1.png")
    with pytest.raises(DatasetError, match=r"8 bits a channel, not I;16: .*1\.png"):
        FolderDataset(folder).read(1)


def test_class_names_may_come_from_a_spreadsheet(folder: Path) -> None:
    path = folder / "classes.csv"
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert FolderDataset(folder).class_names == {1: "boat", 2: "sheep"}


def test_keep_takes_residues_of_the_sorted_images(folder: Path) -> None:
    whole = FolderDataset(folder)
    assert Subset(whole, ((0,), 2)).positions == (0, 2)
    rest = Subset(whole, ((1, 2), 3))
    assert (len(rest), rest.class_names) == (2, whole.class_names)
    assert rest.name == f"{whole.name}[1,2/3]"
    for part, all_of_it in zip(rest.read(1), whole.read(2), strict=True):
        assert np.array_equal(part, all_of_it)
    assert np.array_equal(rest.label(1), whole.label(2))
    assert class_areas(rest, 0) == class_areas(whole, 1) == {1: 200, 2: 200}


def test_classes_are_indexed_from_a_smallest_area_on(folder: Path) -> None:
    dataset = FolderDataset(folder)
    found = index_classes(dataset, (1, 2), min_area=200).images
    assert {c: rows.tolist() for c, rows in found.items()} == {1: [0, 1], 2: [1, 2, 3]}
    assert not len(index_classes(dataset, (1,), min_area=201).images[1])
    assert index_classes(dataset, (1,), min_area=0).images[1].tolist() == [0, 1]


def test_images_with_an_excluded_class_are_left_out(folder: Path) -> None:
    images = allowed_images([FolderDataset(folder)], frozenset({"boat"}))
    assert [image.image_index for image in images] == [2, 3]


def test_a_folder_without_images_names_them(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"images/<id>\.jpg"):
        len(FolderDataset(tmp_path))


def test_a_folder_without_class_names_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"classes\.csv with columns index,name"):
        _ = FolderDataset(tmp_path).class_names


def test_a_missing_label_map_is_named(folder: Path) -> None:
    (folder / "labels" / "2.png").unlink()
    with pytest.raises(DatasetError, match=r"labels/2\.png"):
        FolderDataset(folder).read(2)


def test_a_label_map_in_colours_is_told(folder: Path) -> None:
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / "labels" / "2.png")
    with pytest.raises(DatasetError, match="not colours"):
        FolderDataset(folder).label(2)


def test_a_damaged_image_is_told(folder: Path) -> None:
    (folder / "images" / "2.jpg").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"expected an image at .*images/2\.jpg"):
        FolderDataset(folder).read(2)


def test_a_label_map_of_another_size_is_told(folder: Path) -> None:
    Image.fromarray(np.zeros((20, 31), np.uint8)).save(folder / "labels" / "2.png")
    with pytest.raises(DatasetError, match="differ in size"):
        FolderDataset(folder).read(2)


def test_procedural_defects_repeat() -> None:
    defects = ProceduralDefects(per_class=2, side=64)
    image, label = defects.read(3)
    again, _ = defects.read(3)
    assert np.array_equal(image, again)
    assert set(np.unique(label)) == {0, 4}
    assert not np.array_equal(image, ProceduralDefects(per_class=2, side=64, seed=1).read(3)[0])
