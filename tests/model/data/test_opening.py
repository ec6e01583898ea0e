"""Any format is recognised, and one episode drawer and one sampler serve them all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.data.datasets import (
    CocoDataset,
    DatasetError,
    FolderDataset,
    FssDataset,
    PascalDataset,
    Subset,
    class_areas,
    open_dataset,
)
from model.data.episodes import draw_episode, index_classes
from model.data.images import TrainingImages
from model.data.mixture import SetConfig, allowed_images, open_set
from model.data.sampler import EpisodeSampler
from tests.model.data.tiny_sets import (
    instance,
    rectangle,
    write_coco,
    write_folder,
    write_fss,
    write_pascal,
)

# pycocotools answers NumPy 2's question for a copy in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def _coco(root: Path) -> Path:
    people = [instance(i, 1, rectangle(5, 5, 20, 20), area=225) for i in (4, 7, 9)]
    write_coco(root, people, "train2014")
    return write_coco(root, people)


def _fss(root: Path) -> Path:
    return write_fss(root, {"fss1000_val.txt": ["cup"], "fss1000_trn.txt": ["owl", "fox"]})


WRITERS: dict[str, Callable[[Path], Path]] = {
    "pascal": write_pascal,
    "coco": _coco,
    "fss": _fss,
    "folder": write_folder,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of each format."""
    data = tmp_path_factory.mktemp("data")
    for name, write in WRITERS.items():
        (data / name).mkdir()
        write(data / name)
    return data


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pascal", PascalDataset),
        ("coco", CocoDataset),
        ("fss", FssDataset),
        ("folder", FolderDataset),
    ],
)
def test_a_format_is_recognised_and_gives_episodes(data: Path, name: str, kind: type) -> None:
    dataset = open_dataset(data / name)
    assert isinstance(dataset, kind)
    classes = index_classes(dataset, tuple(dataset.class_names), min_area=100)
    for number in range(5):
        episode = draw_episode(classes, shots=1, seed=0, number=number)
        for index in (episode.query, *episode.supports):
            image, label = dataset.read(index)
            assert image.shape[:2] == label.shape
            assert (label == episode.class_index).any()
            assert class_areas(dataset, index)[episode.class_index] >= 100


@pytest.mark.parametrize(
    ("spec", "split", "name"),
    [
        ("pascal", "val", "pascal_val"),
        ("pascal", "train", "pascal_train"),
        ("pascal@train", "val", "pascal_train"),
        ("coco@train2014", "val", "coco_train2014"),
        ("fss@train:1/2", "val", "fss_train:1/2"),
        ("folder", "train", "folder"),
    ],
)
def test_the_split_behind_the_folder_wins(data: Path, spec: str, split: str, name: str) -> None:
    assert open_dataset(f"{data}/{spec}", split=split).name == name


def test_one_sampler_serves_a_mixture_of_formats(data: Path) -> None:
    configs = [SetConfig(name=name, weight=1.0) for name in WRITERS]
    sets = [open_set(config, data, 33) for config in configs]
    images = allowed_images(sets, frozenset())
    held = TrainingImages(sets, images, side=33, memory_bytes=1e9, workers=2)
    set_index = np.asarray([image.set_index for image in images])
    sampler = EpisodeSampler(
        held.counts, set_index, configs, named=[each.class_names for each in sets], shots=1,
        seed=0, absent=0.0, same_image=0.0, class_power=0.5,
    )  # fmt: skip
    drawn = sampler.batch(0, 40).images
    assert {int(set_index[image.row]) for image in drawn} == {0, 1, 2, 3}
    assert all((held.view(image.row).label == image.class_index).any() for image in drawn)


def test_images_look_alike_from_memory_and_from_disk(data: Path) -> None:
    sets = [open_set(SetConfig(name="pascal", weight=1.0), data, 33)]
    images = allowed_images(sets, frozenset())
    needed = len(images) * 33 * 33 * 4
    held = TrainingImages(sets, images, side=33, memory_bytes=needed, workers=2)
    read = TrainingImages(sets, images, side=33, memory_bytes=needed - 1, workers=2)
    assert (held.held, read.held) == (True, False)
    np.testing.assert_array_equal(held.counts, read.counts)
    for row in range(len(images)):
        for one, other in zip(held.view(row), read.view(row), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_mixture_trains_on_train_splits_and_on_the_kept_images(data: Path) -> None:
    assert open_set(SetConfig(name="pascal", weight=1.0), data, 33).name == "pascal_train"
    part = open_set(SetConfig(name="fss@val", weight=1.0, keep=((1, 2), 4)), data, 33)
    assert isinstance(part, Subset)
    assert part.positions == (1, 2, 5, 6, 9)


def test_a_folder_may_have_an_at_sign_in_its_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "parts@line")
    assert open_dataset(folder).name == "parts@line"


def test_a_split_of_a_folder_without_splits_is_refused(data: Path) -> None:
    with pytest.raises(DatasetError, match="folder is one split: leave out @train"):
        open_dataset(data / "folder@train")


@pytest.mark.parametrize(
    ("name", "problem"),
    [("", "holds no set"), ("nowhere", "is not there"), ("a@b/nowhere", "is not there")],
)
def test_an_unknown_folder_is_told_what_is_expected(
    tmp_path: Path, name: str, problem: str
) -> None:
    with pytest.raises(DatasetError) as told:
        open_dataset(tmp_path / name)
    message = str(told.value)
    assert message.startswith(f"{tmp_path / name} {problem}")
    for files in ("classes.csv", "SegmentationClass", "instances_<split>.json", "fss1000_{trn"):
        assert files in message
