"""What a run trains on: its sets without the test classes, and their cached features."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.data.cache import CacheConfig, build_cache
from model.data.mixture import allowed_images, open_set
from model.data.sampler import EpisodeSampler
from model.nets import SDAANet
from model.training.config import TrainConfig
from model.training.feature_graph import feature_graph, weights_key
from model.training.source import BatchSource


class Prepared(NamedTuple):
    """What a run trains on."""

    source: BatchSource
    excluded: tuple[str, ...]
    data: tuple[str, ...]


def prepare(config: TrainConfig, network: SDAANet, data_root: Path, cache_dir: Path) -> Prepared:
    """Open the sets, leave out test classes, and fill the feature cache."""
    entries = [entry.as_set() for entry in config.sets]
    sets = [open_set(entry, data_root, config.input_side) for entry in entries]
    images = allowed_images(sets, frozenset())
    views = CacheConfig(
        side=config.input_side,
        label_side=config.cache.label_side,
        views=config.cache.views,
        seed=config.cache.seed,
    )
    graph = feature_graph(network.backbone.eval(), config.input_side)
    cache = build_cache(
        cache_dir,
        sets,
        images,
        graph,
        views,
        weights_key=weights_key(network.backbone),
        workers=config.cache.workers,
    )
    # One cache serves the runs of every fold: the images of a run's own test classes stand in it
    # and belong to no set.
    allowed = set(allowed_images(sets, config.excluded_names))
    set_index = np.asarray([i.set_index if i in allowed else -1 for i in images], dtype=np.int64)
    sampler = EpisodeSampler(
        cache._replace(set_index=set_index),
        entries,
        shots=config.shots,
        seed=config.seed,
        absent=config.episodes.absent,
        same_image=config.episodes.same_image,
        class_power=config.episodes.class_power,
    )
    counts = np.bincount(set_index[set_index >= 0], minlength=len(sets))
    described = tuple(f"{d.name}: {count} images" for d, count in zip(sets, counts, strict=True))
    source = BatchSource(sampler, sets, images, views)
    return Prepared(source, tuple(sorted(config.excluded_names)), described)
