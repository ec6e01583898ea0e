"""What a run trains on: its sets without the test classes, as episodes and as tensors."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.data.cache import CacheConfig, build_cache
from model.data.datasets import LabelledImages
from model.data.folds import barred_classes
from model.data.images import TrainingImages
from model.data.memory import available_memory
from model.data.mixture import SourceImage, allowed_images, open_set
from model.data.sampler import EpisodeSampler
from model.data.survey import SetSurvey, check_label_maps
from model.data.trained_sets import TrainedSet
from model.nets import SDAANet
from model.training.config import CacheEntry, TrainConfig
from model.training.distributed import DistributedContext
from model.training.feature_graph import feature_graph, weights_key
from model.training.source import BatchSource, CachedSource, PixelSource


class Prepared(NamedTuple):
    """The data of a run.

    images: number of images; an epoch has as many episodes.
    data: of each set, what the run's record says of it.
    surveys: of each set, what its label maps hold.
    """

    sampler: EpisodeSampler
    source: BatchSource
    images: int
    data: tuple[str, ...]
    surveys: tuple[SetSurvey, ...]


class _Counted(NamedTuple):
    """A source of batches, and the class counts that `EpisodeSampler` takes."""

    source: BatchSource
    counts: NDArray[np.int32]
    set_index: NDArray[np.int64]


def prepare(
    config: TrainConfig,
    network: SDAANet,
    data_root: Path,
    cache_dir: Path,
    context: DistributedContext,
    *,
    compiled: bool = False,
) -> Prepared:
    """Open the sets, exclude test classes, and fill the feature cache or the memory.

    With `compiled`, the pass through a frozen backbone is compiled, where there is no cache.
    """
    entries = [entry.as_set() for entry in config.sets]
    sets = [open_set(entry, data_root, config.input_side) for entry in entries]
    if config.cache is None:
        counted = _from_pixels(config, sets, context, compiled)
    else:
        counted = _from_cache(config, config.cache, sets, network, cache_dir, context)
    used = counted.set_index[counted.set_index >= 0]
    by_set = np.bincount(used, minlength=len(sets)).tolist()
    sampler = EpisodeSampler(
        counted.counts,
        counted.set_index,
        entries,
        named=[dataset.class_names for dataset in sets],
        shots=config.shots,
        seed=config.seed,
        absent=config.episodes.absent,
        same_image=config.episodes.same_image,
        class_power=config.episodes.class_power,
        reduced=[number for number, d in enumerate(sets) if by_set[number] < len(d)],
    )
    return Prepared(
        sampler,
        counted.source,
        images=len(used),
        data=tuple(
            str(_trained_set(dataset, images, sampler.drawn_classes(number)))
            for number, (dataset, images) in enumerate(zip(sets, by_set, strict=True))
        ),
        surveys=tuple(
            _survey(config, dataset, counted, number, sampler)
            for number, dataset in enumerate(sets)
        ),
    )


def _trained_set(dataset: LabelledImages, images: int, drawn: Sequence[int]) -> TrainedSet:
    return TrainedSet(dataset.name, images, tuple(dataset.class_names[c] for c in drawn))


def _survey(
    config: TrainConfig,
    dataset: LabelledImages,
    counted: _Counted,
    number: int,
    sampler: EpisodeSampler,
) -> SetSurvey:
    shown = (counted.counts[counted.set_index == number] > 0).any(axis=1)  # (images, 256)
    names, unseen = dataset.class_names, barred_classes(dataset.class_names, config.excluded_names)
    return SetSurvey(
        dataset.name,
        images=len(shown),
        names={c: name for c, name in names.items() if c not in unseen},
        shown_in=dict(Counter(np.nonzero(shown)[1].tolist())),
        drawn_in=sampler.shown_in[number],
        shots=config.shots,
    )


def _from_cache(
    config: TrainConfig,
    entry: CacheEntry,
    sets: Sequence[LabelledImages],
    network: SDAANet,
    cache_dir: Path,
    context: DistributedContext,
) -> _Counted:
    images = allowed_images(sets, frozenset())
    views = CacheConfig(
        side=config.input_side, label_side=entry.label_side, views=entry.views, seed=entry.seed
    )
    backbone = network.backbone.eval()

    def checked_graph() -> bytes:
        """The feature graph, after what minutes can tell, since the features may take hours."""
        check_label_maps(
            [each.as_set() for each in config.sets],
            sets,
            images,
            shots=config.shots,
            workers=entry.workers,
        )
        return feature_graph(backbone, config.input_side)

    with context.rank_zero_first():
        cache = build_cache(
            cache_dir,
            sets,
            images,
            checked_graph,
            views,
            weights_key=weights_key(backbone),
            workers=entry.workers,
        )
    # One cache serves the runs of every fold, so it holds images of this run's test classes too.
    # Those belong to no set here.
    allowed = set(allowed_images(sets, config.excluded_names))
    set_index = np.asarray([i.set_index if i in allowed else -1 for i in images], dtype=np.int64)
    return _Counted(CachedSource(cache, sets, images, views), cache.counts(), set_index)


def _from_pixels(
    config: TrainConfig,
    sets: Sequence[LabelledImages],
    context: DistributedContext,
    compiled: bool,
) -> _Counted:
    images: list[SourceImage] = allowed_images(sets, config.excluded_names)
    limit = config.loading.memory_gb
    held = TrainingImages(
        sets,
        images,
        side=config.input_side,
        memory_bytes=(available_memory() / 2 if limit is None else limit * 1e9)
        / context.local_world_size,
        workers=config.loading.workers,
    )
    set_index = np.asarray([image.set_index for image in images], dtype=np.int64)
    source = PixelSource(held, config.augment.as_augmentation(), compiled=compiled)
    return _Counted(source, held.counts, set_index)
