"""Batches of episodes: batch i is a pure function of (seed, i)."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from model.data.datasets import DatasetError
from model.data.mixture import SetConfig, class_table


class DrawnImage(NamedTuple):
    """One image of an episode.

    row, view: indices of the image in the sampler's counts.
    flip: step along the width, 1 or -1.
    class_index: the class of the episode.
    seed: for augmenting this image, where views are not cached.
    """

    row: int
    view: int
    flip: int
    class_index: int
    seed: int


class EpisodeBatch(NamedTuple):
    """B episodes of K shots: B queries, and B * K supports, those of an episode together."""

    queries: tuple[DrawnImage, ...]
    supports: tuple[DrawnImage, ...]

    @property
    def images(self) -> tuple[DrawnImage, ...]:
        """All of them, the queries first."""
        return self.queries + self.supports

    def part(self, number: int, of: int) -> Self:
        """Part `number` of `of` equal parts, as the processes of one run share a batch."""
        size, shots = len(self.queries) // of, len(self.supports) // len(self.queries)
        first, last = number * size, (number + 1) * size
        return type(self)(self.queries[first:last], self.supports[first * shots : last * shots])


class EpisodePick(NamedTuple):
    """Rows and views of one episode, and the class asked for."""

    class_index: int
    query: tuple[int, int]
    supports: tuple[tuple[int, int], ...]


class EpisodeSampler:
    """Draws episodes from a mixture of sets.

    Args:
        counts: (N, V, 256) pixels of every class index in V views of N images, see
            `model.data.mixture.count_classes`.
        set_index: (N,) the set of each image; -1 for an image that the run excludes.
        sets: configs of the sets, by their numbers in `set_index`.
        named: of each set, the class indices that it names.
        shots: K.
        seed: of the run.
        absent: probability that the query lacks the class.
        same_image: probability that query and supports are views of one image; other views than
            the query's, where the image has one with the class.
        class_power: a class is drawn in proportion to the number of views that show it, over all
            images, to this power.
        reduced: numbers of the sets that have lost images to the run's unseen classes. Such a set
            may be left without a class; then it is not drawn.

    Attributes:
        shown_in: of each set, class index → number of images that show enough of it to be drawn.

    Raises:
        DatasetError: a set with a positive weight, or each of them, has no class with enough
            images.
    """

    def __init__(
        self,
        counts: NDArray[np.int32],
        set_index: NDArray[np.int64],
        sets: Sequence[SetConfig],
        *,
        named: Sequence[Collection[int]],
        shots: int,
        seed: int,
        absent: float,
        same_image: float,
        class_power: float,
        reduced: Collection[int] = (),
    ) -> None:
        self._set_index, self._views = set_index, counts.shape[1]
        self._shots, self._seed = shots, seed
        self._absent, self._same_image = absent, same_image
        self._may_lack = [config.absent for config in sets]
        # (N, 256) whether any view has a pixel of a class.
        self._shown: NDArray[np.bool_] = np.asarray((counts > 0).any(axis=1))
        tables = [
            class_table(counts, set_index, number, config.min_share, names)
            for number, (config, names) in enumerate(zip(sets, named, strict=True))
        ]
        self.shown_in = tuple(
            {c: len(np.unique(rows[:, 0])) for c, rows in table.items()} for table in tables
        )
        # Of each set, class index → rows (R, 2) of image and view, of classes with enough images.
        self._tables = [
            {c: rows for c, rows in table.items() if images[c] > shots}
            for table, images in zip(tables, self.shown_in, strict=True)
        ]
        weights = np.asarray(
            [
                config.weight if table else 0.0
                for config, table in zip(sets, self._tables, strict=True)
            ]
        )
        for number, (config, table) in enumerate(zip(sets, self._tables, strict=True)):
            if config.weight and not table and number not in reduced:
                raise no_class(config.name, named[number], shots)
        if not weights.any():
            every = set[int]().union(*named)
            raise no_class(", ".join(config.name for config in sets), every, shots)
        self._set_chance = weights / weights.sum()
        self._class_chance = []
        for table in self._tables:
            sizes = np.asarray([len(rows) for rows in table.values()], float) ** class_power
            self._class_chance.append(sizes / sizes.sum() if len(sizes) else sizes)

    def drawn_classes(self, number: int) -> tuple[int, ...]:
        """The class indices of a set that episodes ask for, in order."""
        return tuple(sorted(self._tables[number])) if self._set_chance[number] else ()

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
            if len(same) > 1:  # a query that is its own support has nothing to find
                same = same[same[:, 1] != first[1]]
            chosen = same[rng.integers(len(same), size=self._shots)]
        else:
            others = rows[rows[:, 0] != first[0]]
            chosen = self._different(others, rng)
        if kind > 1 - self._absent and self._may_lack[number]:
            first = self._without(class_index, number, rows, rng)
        return EpisodePick(class_index, _pair(first), tuple(_pair(row) for row in chosen))

    def _different(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Rows (K, 2), one for each shot of an episode, each of another image."""
        if self._shots == 1:
            return rows[rng.integers(len(rows), size=1)]
        images = rng.choice(np.unique(rows[:, 0]), size=self._shots, replace=False)
        views = [rows[rows[:, 0] == image] for image in images]
        return np.stack([each[rng.integers(len(each))] for each in views])

    def _without(
        self, class_index: int, number: int, rows: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """A view of an image of the same set in none of whose views the class is shown.

        If there is no such image, any view with the class. Were it always the plain view, the
        network could tell from a plain view that the class is absent.
        """
        members = np.nonzero((self._set_index == number) & ~self._shown[:, class_index])[0]
        if not len(members):
            return np.asarray(rows[rng.integers(len(rows))])
        member = members[rng.integers(len(members))]
        # Without cached views draw nothing: a draw would change the episodes of resumed runs.
        view = rng.integers(self._views) if self._views > 1 else 0
        return np.asarray([member, view])

    def batch(self, number: int, size: int) -> EpisodeBatch:
        """Batch `number`: `size` episodes, each image flipped at random."""
        rng = np.random.default_rng((self._seed, number))
        picks = [self.pick(rng) for _ in range(size)]
        sides = [(pick.query, pick.class_index) for pick in picks]
        sides += [(support, pick.class_index) for pick in picks for support in pick.supports]
        flips = [int(rng.choice((1, -1))) for _ in sides]
        seeds = rng.integers(2**63, size=len(sides))
        images = tuple(
            DrawnImage(*side, flip, class_index, int(seed))
            for (side, class_index), flip, seed in zip(sides, flips, seeds, strict=True)
        )
        return EpisodeBatch(images[:size], images[size:])


def no_class(name: str, named: Collection[int], shots: int) -> DatasetError:
    """What is told of a set that has no class with enough images for an episode."""
    if not named:
        return DatasetError(f"{name} names no class: its classes.csv has no row such as 1,valve")
    return DatasetError(
        f"no class of {name} is shown by the {shots + 1} images that a {shots}-shot episode needs; "
        "a smaller min_share counts smaller objects, and labels of 255 are ignored"
    )


def _pair(row: NDArray[np.int64]) -> tuple[int, int]:
    return int(row[0]), int(row[1])
