"""Batches from a cache in which every feature tells its image and view."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.cache import FeatureCache
from model.data.datasets import DatasetError
from model.data.mixture import SetConfig
from model.data.sampler import EpisodeBatch, EpisodeSampler

ROWS, VIEWS, SIDE = 8, 2, 6


def _cache() -> FeatureCache:
    """Rows 0-3 hold class 1, rows 4-7 class 2, each on the left half of its label map."""
    shallow = np.zeros((ROWS, VIEWS, 1, 1, 2), np.float16)
    labels = np.zeros((ROWS, VIEWS, SIDE, SIDE), np.uint8)
    for row in range(ROWS):
        for view in range(VIEWS):
            shallow[row, view] = 10 * row + view
        labels[row, :, :, :3] = 1 + row // 4
        labels[row, :, 0] = 255
    return FeatureCache(shallow, -shallow, labels)


def _sampler(
    *, absent: float = 0.0, same_image: float = 0.0, seed: int = 0, shots: int = 2
) -> EpisodeSampler:
    return EpisodeSampler(
        _cache().counts(),
        np.zeros(ROWS, np.int64),
        [SetConfig(name="only", weight=1.0)],
        named=[{1, 2}],
        shots=shots,
        seed=seed,
        absent=absent,
        same_image=same_image,
        class_power=0.5,
    )


def _query_labels(batch: EpisodeBatch) -> NDArray[np.uint8]:
    return _cache().episode_labels(batch.queries)


def test_a_batch_depends_on_its_number_alone() -> None:
    first, second = _sampler(), _sampler()
    second.batch(0, 3)
    assert first.batch(7, 3) == second.batch(7, 3)
    assert first.batch(7, 8) != first.batch(8, 8)
    assert first.batch(7, 8) != _sampler(seed=1).batch(7, 8)


def test_parts_hold_whole_episodes_and_make_up_the_batch() -> None:
    batch = _sampler().batch(3, 6)
    parts = [batch.part(number, 3) for number in range(3)]
    assert sum((part.queries for part in parts), ()) == batch.queries
    assert sum((part.supports for part in parts), ()) == batch.supports
    for part in parts:
        assert len(part.queries) == 2
        asked = [query.class_index for query in part.queries for _ in range(2)]
        assert [support.class_index for support in part.supports] == asked


def test_every_image_has_a_seed_of_its_own() -> None:
    seeds = [image.seed for i in range(10) for image in _sampler().batch(i, 4).images]
    assert len(set(seeds)) == len(seeds) == 120


def test_cached_features_and_labels_are_those_of_the_drawn_images() -> None:
    images = _sampler().batch(0, 3).images
    shallow, stage3 = _cache().features(images)
    assert shallow.shape == stage3.shape == (9, 1, 1, 2)
    assert _cache().episode_labels(images).shape == (9, SIDE, SIDE)
    assert shallow.dtype == stage3.dtype == np.float32
    np.testing.assert_array_equal(stage3, -shallow)
    assert shallow[:, 0, 0, 0].tolist() == [10 * image.row + image.view for image in images]
    assert set(np.unique(_cache().episode_labels(images))) == {0, 1, 255}


def test_query_and_supports_are_different_images_of_one_class() -> None:
    sampler = _sampler()
    for number in range(50):
        pick = sampler.pick(np.random.default_rng(number))
        rows = [row for row, _ in pick.supports]
        assert pick.query[0] not in rows
        assert {row // 4 + 1 for row in [pick.query[0], *rows]} == {pick.class_index}


def test_the_supports_of_an_episode_are_different_images() -> None:
    for pick in map(_sampler(shots=3).pick, map(np.random.default_rng, range(50))):
        images = [row for row, _ in (pick.query, *pick.supports)]
        assert len(set(images)) == 4


def test_an_image_that_shows_a_little_of_the_class_does_not_lack_it() -> None:
    counts = _cache().counts()
    counts[5:, 1, 1] = 1  # of class 1, a pixel in one view, which is too little to be asked for
    sampler = EpisodeSampler(
        counts,
        np.zeros(ROWS, np.int64),
        [SetConfig(name="only", weight=1.0, min_share=0.1)],
        named=[{1, 2}],
        shots=1,
        seed=0,
        absent=1.0,
        same_image=0.0,
        class_power=0.5,
    )
    picks = [sampler.pick(np.random.default_rng(number)) for number in range(50)]
    assert {pick.query[0] for pick in picks if pick.class_index == 1} == {4}


def test_the_query_sometimes_lacks_the_class() -> None:
    labels = np.concatenate([_query_labels(_sampler(absent=0.4).batch(i, 4)) for i in range(20)])
    without = ~(labels == 1).any(axis=(1, 2))
    assert 0.2 < without.mean() < 0.6


def test_a_query_without_the_class_is_any_view_of_its_image() -> None:
    picks = [_sampler(absent=1.0).pick(np.random.default_rng(number)) for number in range(100)]
    assert all(pick.query[0] // 4 + 1 != pick.class_index for pick in picks)
    assert 0.35 < np.mean([pick.query[1] for pick in picks]) < 0.65


def test_no_query_of_a_set_that_leaves_objects_unlabelled_lacks_the_class() -> None:
    counts = _cache().counts()
    sets = [SetConfig(name="a", weight=1.0), SetConfig(name="b", weight=1.0, absent=False)]
    sampler = EpisodeSampler(
        counts,
        np.arange(ROWS) % 2,
        sets,
        named=[{1, 2}, {1, 2}],
        shots=1,
        seed=0,
        absent=1.0,
        same_image=0.0,
        class_power=0.5,
    )
    for pick in map(sampler.pick, map(np.random.default_rng, range(50))):
        holds = pick.query[0] // 4 + 1 == pick.class_index
        assert holds == bool(pick.query[0] % 2)


def test_batches_of_plain_images_are_those_of_earlier_releases() -> None:
    sampler = EpisodeSampler(
        _cache().counts()[:, :1],
        np.zeros(ROWS, np.int64),
        [SetConfig(name="only", weight=1.0)],
        named=[{1, 2}],
        shots=1,
        seed=0,
        absent=0.5,
        same_image=0.1,
        class_power=0.5,
    )
    batch = sampler.batch(0, 8)
    assert [image.class_index for image in batch.queries] == [1, 2, 2, 1, 2, 1, 2, 2]
    assert [image.row for image in batch.queries] == [1, 2, 5, 4, 4, 5, 2, 6]
    assert [image.row for image in batch.supports] == [1, 7, 5, 2, 5, 3, 5, 5]
    assert [image.flip for image in batch.queries] == [-1, -1, -1, -1, 1, 1, 1, 1]
    assert {image.view for image in batch.images} == {0}
    assert batch.images[-1].seed == 4153647521447924235


def test_query_and_supports_are_sometimes_one_image() -> None:
    sampler = _sampler(same_image=0.4)
    picks = [sampler.pick(np.random.default_rng(i)) for i in range(80)]
    same = [all(row == pick.query[0] for row, _ in pick.supports) for pick in picks]
    assert 0.2 < np.mean(same) < 0.6


def test_flips_turn_labels_with_their_images() -> None:
    batch = _sampler().batch(0, 8)
    steps = [image.flip for image in batch.queries]
    assert set(steps) == {1, -1}
    for flip, label in zip(steps, _query_labels(batch), strict=True):
        assert (label[3, 0] == 1) == (flip == 1)


def test_a_label_value_without_a_name_is_no_class() -> None:
    counts = _cache().counts()
    counts[..., 250] = 4  # a void, which the set does not name
    sampler = EpisodeSampler(
        counts,
        np.zeros(ROWS, np.int64),
        [SetConfig(name="only", weight=1.0)],
        named=[{1, 2}],
        shots=1,
        seed=0,
        absent=0.0,
        same_image=0.0,
        class_power=0.5,
    )
    picks = map(sampler.pick, map(np.random.default_rng, range(50)))
    assert {pick.class_index for pick in picks} == {1, 2}


def test_a_mixture_without_an_episode_is_refused() -> None:
    with pytest.raises(DatasetError, match="only is shown by the 5 images that a 4-shot"):
        _sampler(shots=4)


def _mixture(weight: float, *, reduced: tuple[int, ...] = ()) -> EpisodeSampler:
    """A set with classes, and one of a weight that names none of them."""
    return EpisodeSampler(
        _cache().counts(),
        np.arange(ROWS) % 2,
        [SetConfig(name="rendered", weight=0.5), SetConfig(name="parts", weight=weight)],
        named=[{1, 2}, {9}],
        shots=1,
        seed=0,
        absent=0.0,
        same_image=0.0,
        class_power=0.5,
        reduced=reduced,
    )


def test_a_set_that_is_to_be_drawn_but_has_no_class_is_refused_beside_others() -> None:
    with pytest.raises(DatasetError, match="no class of parts is shown by the 2 images"):
        _mixture(1.0)


def test_a_set_of_weight_0_or_emptied_by_unseen_classes_is_not_drawn() -> None:
    for sampler in (_mixture(0.0), _mixture(1.0, reduced=(1,))):
        assert (sampler.drawn_classes(0), sampler.drawn_classes(1)) == ((1, 2), ())
        assert sampler.shown_in == ({1: 2, 2: 2}, {})
        picks = map(sampler.pick, map(np.random.default_rng, range(20)))
        assert {pick.query[0] % 2 for pick in picks} == {0}


def test_no_query_is_its_own_support_where_its_image_has_another_view() -> None:
    batch = _sampler(same_image=1.0).batch(0, 50)
    queries = [image for image in batch.queries for _ in range(2)]
    assert all(q.row == s.row for q, s in zip(queries, batch.supports, strict=True))
    assert all(q.view != s.view for q, s in zip(queries, batch.supports, strict=True))
