"""Batches of cached episodes: batch i is a pure function of (seed, i)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.data.cache import FeatureCache
from model.data.datasets import DatasetError
from model.data.mixture import SetConfig, class_table


class ViewBatch(NamedTuple):
    """B episodes of K shots as views of images.

    images: (row, view, flip step 1 or -1) of each, the B queries first, then the B * K supports.
    query_labels: (B, L, L), support_labels: (B, K, L, L); 1 class, 0 other, 255 ignore.
    """

    images: tuple[tuple[int, int, int], ...]
    query_labels: NDArray[np.uint8]
    support_labels: NDArray[np.uint8]


class EpisodePick(NamedTuple):
    """Rows and views of one episode in the cache, and the class asked for."""

    class_index: int
    query: tuple[int, int]
    supports: tuple[tuple[int, int], ...]


class EpisodeSampler:
    """Draws episodes from a mixture of cached sets.

    Args:
        cache: the features.
        sets: weights and smallest shares, in the order of `cache.set_index`.
        shots: K.
        seed: of the whole run.
        absent: chance that the query lacks the class.
        same_image: chance that query and supports are views of one image.
        class_power: a class is drawn in proportion to its images to this power.

    Raises:
        DatasetError: no set that has a weight holds a class with enough images.
    """

    def __init__(
        self,
        cache: FeatureCache,
        sets: Sequence[SetConfig],
        *,
        shots: int,
        seed: int,
        absent: float,
        same_image: float,
        class_power: float,
    ) -> None:
        self._cache = cache
        self._shots, self._seed = shots, seed
        self._absent, self._same_image = absent, same_image
        self._tables = [
            class_table(cache.labels, cache.set_index, number, config.min_share)
            for number, config in enumerate(sets)
        ]
        self._tables = [
            {c: rows for c, rows in table.items() if len(np.unique(rows[:, 0])) > shots}
            for table in self._tables
        ]
        weights = np.asarray(
            [
                config.weight if table else 0.0
                for config, table in zip(sets, self._tables, strict=True)
            ]
        )
        if not weights.any():
            raise DatasetError(
                f"no class of {', '.join(config.name for config in sets)} is shown by the "
                f"{shots + 1} images that a {shots}-shot episode needs; a smaller min_share counts "
                "smaller objects"
            )
        self._set_chance = weights / weights.sum()
        self._class_chance = []
        for table in self._tables:
            sizes = np.asarray([len(rows) for rows in table.values()], float) ** class_power
            self._class_chance.append(sizes / sizes.sum() if len(sizes) else sizes)

    def pick(self, rng: np.random.Generator) -> EpisodePick:
        """One episode."""
        number = int(rng.choice(len(self._tables), p=self._set_chance))
        table = self._tables[number]
        class_index = int(rng.choice(list(table), p=self._class_chance[number]))
        rows = table[class_index]
        first = rows[rng.integers(len(rows))]
        kind = rng.random()
        if kind < self._same_image:
            same = rows[rows[:, 0] == first[0]]
            chosen = same[rng.integers(len(same), size=self._shots)]
        else:
            others = rows[rows[:, 0] != first[0]]
            chosen = others[rng.integers(len(others), size=self._shots)]
        if kind > 1 - self._absent:
            first = self._without(class_index, number, rows, rng)
        return EpisodePick(class_index, _pair(first), tuple(_pair(row) for row in chosen))

    def _without(
        self, class_index: int, number: int, rows: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """An image of the same set in which no view shows the class; any query if there is none."""
        members = np.setdiff1d(np.nonzero(self._cache.set_index == number)[0], rows[:, 0])
        if not len(members):
            return np.asarray(rows[rng.integers(len(rows))])
        return np.asarray([members[rng.integers(len(members))], 0])

    def batch(self, number: int, size: int) -> ViewBatch:
        """Batch `number`: `size` episodes, each side flipped at random."""
        rng = np.random.default_rng((self._seed, number))
        picks = [self.pick(rng) for _ in range(size)]
        sides = [(pick.query, pick.class_index) for pick in picks]
        sides += [(support, pick.class_index) for pick in picks for support in pick.supports]
        images = tuple((*side, int(rng.choice((1, -1)))) for side, _ in sides)
        labels = np.stack(
            [
                self._label(row, view, class_index)[:, ::flip]
                for (row, view, flip), (_, class_index) in zip(images, sides, strict=True)
            ]
        )
        shape = labels.shape[1:]
        return ViewBatch(images, labels[:size], labels[size:].reshape(size, self._shots, *shape))

    def features(self, views: ViewBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cached features of a batch's images: shallow (M, C2, h, w) and stage 3 (M, C3, h, w)."""
        shallow, stage3 = (
            np.stack(
                [features[row, view][:, :, ::flip] for row, view, flip in views.images],
                dtype=np.float32,
            )
            for features in (self._cache.shallow, self._cache.stage3)
        )
        return shallow, stage3

    def _label(self, row: int, view: int, class_index: int) -> NDArray[np.uint8]:
        label = self._cache.labels[row, view]
        return np.where(label == 255, 255, label == class_index).astype(np.uint8)


def _pair(row: NDArray[np.int64]) -> tuple[int, int]:
    return int(row[0]), int(row[1])
