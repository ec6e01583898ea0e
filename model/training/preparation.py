"""What a run trains on: its sets without the test classes, and their cached features."""

from pathlib import Path
from typing import NamedTuple

from model.data.cache import CacheConfig, build_cache
from model.data.folds import excluded_names, fold_classes
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
    fold = config.exclude_pascal_fold
    excluded = excluded_names(fold_classes(fold)) if fold is not None else frozenset()
    images = allowed_images(sets, excluded)
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
    sampler = EpisodeSampler(
        cache,
        entries,
        shots=config.shots,
        seed=config.seed,
        absent=config.episodes.absent,
        same_image=config.episodes.same_image,
        class_power=config.episodes.class_power,
    )
    counts = [sum(image.set_index == i for image in images) for i in range(len(sets))]
    described = tuple(f"{d.name}: {count} images" for d, count in zip(sets, counts, strict=True))
    return Prepared(BatchSource(sampler, sets, images, views), tuple(sorted(excluded)), described)
