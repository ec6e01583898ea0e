"""Frozen backbone features of every training image, computed once."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tqdm import tqdm

from model.data.augment import View, plain_view, random_view
from model.data.datasets import DatasetError, LabelledImages, source_files
from model.data.episodes import binary_labels
from model.data.mixture import SourceImage, count_classes
from model.data.sampler import DrawnImage

_UNFINISHED = "unfinished-"
_FILES = ("shallow.npy", "stage3.npy", "labels.npy")
# Of what no file, size or weight tells: raise it where another view is drawn, another defect
# rendered, or a feature is taken from another layer.
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class CacheConfig:
    """Views of an image (the first is the plain one) and their sizes in pixels."""

    side: int
    label_side: int
    views: int
    seed: int


class FeatureCache(NamedTuple):
    """N images, V views each, memory-mapped.

    shallow: (N, V, C2, h, w) float16 of `Backbone.shallow`.
    stage3: (N, V, C3, h, w) float16 of `Backbone.deep`.
    labels: (N, V, L, L) class indices of the image's own set.
    """

    shallow: NDArray[np.float16]
    stage3: NDArray[np.float16]
    labels: NDArray[np.uint8]

    def counts(self) -> NDArray[np.int32]:
        """(N, V, 256) pixels of every class index, for the sampler."""
        return np.stack([[count_classes(label) for label in views] for views in self.labels])

    def features(
        self, images: Sequence[DrawnImage]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features of M drawn images: shallow (M, C2, h, w) and stage 3 (M, C3, h, w)."""
        shallow, stage3 = (
            np.stack(
                [part[image.row, image.view][:, :, :: image.flip] for image in images],
                dtype=np.float32,
            )
            for part in (self.shallow, self.stage3)
        )
        return shallow, stage3

    def episode_labels(self, images: Sequence[DrawnImage]) -> NDArray[np.uint8]:
        """Labels (M, L, L) of M drawn images; 1 class, 0 other, 255 ignore."""
        return np.stack(
            [
                binary_labels(self.labels[image.row, image.view], image.class_index)[
                    :, :: image.flip
                ]
                for image in images
            ]
        )


class _Worker:
    """State of a worker process: the sets and a session of the feature graph."""

    sets: Sequence[LabelledImages]
    session: ort.InferenceSession
    config: CacheConfig


def _start_worker(sets: Sequence[LabelledImages], graph: bytes, config: CacheConfig) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    _Worker.session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    _Worker.sets, _Worker.config = sets, config


def _encode_views(source: SourceImage) -> tuple[NDArray[Any], ...]:
    """Shallow features, stage-3 features and labels of one image's views."""
    config = _Worker.config
    views = [make_view(_Worker.sets, source, number, config) for number in range(config.views)]
    features = _Worker.session.run(None, {"image": np.stack([v.image for v in views])})
    labels = np.stack([v.label for v in views])
    return (*(feature.astype(np.float16) for feature in features), labels)


def make_view(
    sets: Sequence[LabelledImages], source: SourceImage, number: int, config: CacheConfig
) -> View:
    """View `number` of an image, the same at every call; number 0 is the plain one."""
    image, label = sets[source.set_index].read(source.image_index)
    if number == 0:
        return plain_view(image, label, side=config.side, label_side=config.label_side)
    rng = np.random.default_rng((config.seed, source.set_index, source.image_index, number))
    return random_view(image, label, rng, side=config.side, label_side=config.label_side)


def build_cache(
    folder: Path,
    sets: Sequence[LabelledImages],
    images: Sequence[SourceImage],
    feature_graph: Callable[[], bytes],
    config: CacheConfig,
    *,
    weights_key: str,
    workers: int,
) -> FeatureCache:
    """Encode every view of every image, or open the cache that an identical call has written.

    Each configuration has its own subfolder, so no run overwrites the cache another one reads.
    An image is known by the paths, sizes and times of change of its files.

    Args:
        folder: parent of all caches.
        sets: the sets that `images` points into.
        images: what to encode.
        feature_graph: makes the ONNX of `image` (V, S, S, 3) uint8 → shallow and stage-3 features;
            not called where the cache is complete.
        config: views and sizes.
        weights_key: identifies the graph's weights; with another key the cache is made again.
        workers: processes.

    Raises:
        DatasetError: there is no image, or a file of one is missing.
        OSError: the disk has no room for the features, which is told at the first image.
    """
    if not images:
        raise DatasetError(
            f"no image of {', '.join(each.name for each in sets)} is left to train on"
        )
    described = [(sets[i.set_index].name, *_described(sets, i)) for i in images]
    identity = json.dumps([_VERSION, described, repr(config), weights_key])
    digest = hashlib.sha256(identity.encode()).hexdigest()
    complete = folder / digest[:16]
    if not complete.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with _beside(folder) as beside:
            made = beside / "cache"
            made.mkdir()
            _write(made, sets, images, feature_graph(), config, workers)
            with suppress(OSError):  # another run has just written the same cache
                made.rename(complete)
    return FeatureCache(*(np.load(complete / name, mmap_mode="r") for name in _FILES))


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A temporary folder inside; those that killed runs left there are removed.

    A run holds a lock on its own as long as it lives, so that others leave it alone.
    """
    with ExitStack() as stack:
        with _locked(folder):  # or another run could find ours before it is locked
            _remove_unfinished(folder)
            beside = Path(stack.enter_context(TemporaryDirectory(dir=folder, prefix=_UNFINISHED)))
            stack.enter_context(_locked(beside))
        yield beside


def _remove_unfinished(folder: Path) -> None:
    for left in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError), _opened(left) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Inside, this process has a lock on a folder; the system releases it when the process ends."""
    with _opened(folder) as descriptor:
        with suppress(OSError):  # a file system without locks, where nothing is removed either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _described(sets: Sequence[LabelledImages], source: SourceImage) -> tuple[object, ...]:
    """The indices of an image, with which its views are drawn, and the state of its files."""
    try:
        files = [
            (str(path.resolve()), (state := path.stat()).st_size, state.st_mtime_ns)
            for path in source_files(sets[source.set_index], source.image_index)
        ]
    except OSError as exc:
        raise DatasetError(f"expected a file at {exc.filename}") from exc
    return *source, files


def _write(
    folder: Path,
    sets: Sequence[LabelledImages],
    images: Sequence[SourceImage],
    graph: bytes,
    config: CacheConfig,
    workers: int,
) -> None:
    arrays: list[np.memmap[Any, Any]] = []
    with ProcessPoolExecutor(
        workers, get_context("spawn"), _start_worker, (sets, graph, config)
    ) as pool:
        encoded = pool.map(_encode_views, images, chunksize=16)
        try:
            for row, parts in enumerate(tqdm(encoded, "features", len(images))):
                if not arrays:
                    arrays = [
                        _new_array(folder / name, part.dtype, (len(images), *part.shape))
                        for name, part in zip(_FILES, parts, strict=True)
                    ]
                for array, part in zip(arrays, parts, strict=True):
                    array[row] = part
        finally:
            pool.shutdown(cancel_futures=True)  # or an interrupt would wait for the other images
    for array in arrays:
        array.flush()


def _new_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> "np.memmap[Any, Any]":
    """A file of an array with all of its room on the disk.

    Without it a full disk would kill the process at a write into the memory map.
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    with path.open("r+b") as file:
        size = path.stat().st_size
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as exc:
            raise OSError(exc.errno, f"{exc.strerror}, {size / 1e9:.2f} GB", str(path)) from exc
    return array
