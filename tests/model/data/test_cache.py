"""A cache of features is read only by those whose images it was made of."""

import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from model.data.cache import CacheConfig, FeatureCache, build_cache
from model.data.datasets import DatasetError, FolderDataset, LabelledImages, Subset
from model.data.mixture import SourceImage

SIDE = 16


def _pixels_as_features() -> bytes:
    """A feature graph whose both features are the pixels."""
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", SIDE, SIDE, 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 3, SIDE, SIDE])
        for name in ("shallow", "stage3")
    ]
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["shallow"], perm=[0, 3, 1, 2]),
        helper.make_node("Identity", ["shallow"], ["stage3"]),
    ]
    graph = helper.make_graph(nodes, "pixels", [image], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _write_set(root: Path, grey: int) -> FolderDataset:
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (grey, grey, grey)).save(root / "images" / "0.png")
    Image.new("L", (40, 30), 1).save(root / "labels" / "0.png")
    (root / "classes.csv").write_text("index,name\n1,cup\n", encoding="utf-8")
    return FolderDataset(root)


def _cache(
    folder: Path,
    dataset: LabelledImages,
    *,
    images: Sequence[SourceImage] = (SourceImage(0, 0),),
    graph: Callable[[], bytes] = _pixels_as_features,
) -> FeatureCache:
    return build_cache(
        folder,
        [dataset],
        images,
        graph,
        CacheConfig(side=SIDE, label_side=SIDE, views=1, seed=0),
        weights_key="pixels",
        workers=1,
    )


def test_sets_in_folders_of_one_name_have_features_of_their_own(tmp_path: Path) -> None:
    dark, light = (_write_set(tmp_path / f"{grey}" / "parts", grey) for grey in (10, 200))
    assert _cache(tmp_path / "cache", Subset(dark, ((0,), 1))).shallow.max() == 10
    assert _cache(tmp_path / "cache", Subset(light, ((0,), 1))).shallow.max() == 200


def test_a_label_map_that_changed_is_read_again_and_one_that_did_not_is_not(tmp_path: Path) -> None:
    dataset, cache = _write_set(tmp_path / "parts", 10), tmp_path / "cache"
    assert _cache(cache, dataset).labels.max() == 1
    label = tmp_path / "parts" / "labels" / "0.png"
    before = label.stat().st_mtime_ns
    Image.new("L", (40, 30), 2).save(label)
    os.utime(label, ns=(before, before + 1))
    assert _cache(cache, dataset).labels.max() == 2
    _cache(cache, dataset)
    assert len(list(cache.iterdir())) == 2


def test_a_missing_label_map_is_named(tmp_path: Path) -> None:
    dataset = _write_set(tmp_path / "parts", 10)
    (tmp_path / "parts" / "labels" / "0.png").unlink()
    with pytest.raises(DatasetError, match=r"labels/0\.png"):
        _cache(tmp_path / "cache", dataset)


def test_a_graph_is_made_only_for_a_cache_that_is_not_complete(tmp_path: Path) -> None:
    dataset, made = _write_set(tmp_path / "parts", 10), list[bytes]()

    def graph() -> bytes:
        made.append(_pixels_as_features())
        return made[-1]

    for _ in range(2):
        assert _cache(tmp_path / "cache", dataset, graph=graph).shallow.max() == 10
    assert len(made) == 1


def test_a_disk_without_room_is_told_at_the_first_image_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, cache = _write_set(tmp_path / "parts", 10), tmp_path / "cache"

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device, 0\.00 GB: .*shallow\.npy"):
        _cache(cache, dataset)
    assert not list(cache.iterdir())


def test_what_a_killed_run_left_is_removed_and_what_another_makes_is_not(tmp_path: Path) -> None:
    dataset, cache = _write_set(tmp_path / "parts", 10), tmp_path / "cache"
    left, living = cache / "unfinished-left", cache / "unfinished-living"
    for folder in (left, living):
        (folder / "cache").mkdir(parents=True)
    lock = os.open(living, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _cache(cache, dataset)
    finally:
        os.close(lock)
    assert (left.exists(), living.exists()) == (False, True)


def test_no_image_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    dataset, cache = _write_set(tmp_path / "parts", 10), tmp_path / "cache"
    for _ in range(2):
        with pytest.raises(DatasetError, match="no image of parts is left to train on"):
            _cache(cache, dataset, images=[])
    assert not cache.exists()
