"""Batches from a cache in which every feature tells its image and view."""

import numpy as np
import pytest

from model.data.cache import FeatureCache
from model.data.datasets import DatasetError
from model.data.mixture import SetConfig
from model.data.sampler import EpisodeSampler

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
    return FeatureCache(shallow, -shallow, labels, np.zeros(ROWS, np.int64))


def _sampler(
    *, absent: float = 0.0, same_image: float = 0.0, seed: int = 0, shots: int = 2
) -> EpisodeSampler:
    return EpisodeSampler(
        _cache(),
        [SetConfig(name="only", weight=1.0)],
        shots=shots,
        seed=seed,
        absent=absent,
        same_image=same_image,
        class_power=0.5,
    )


def test_a_batch_depends_on_its_number_alone() -> None:
    first, second = _sampler(), _sampler()
    second.batch(0, 3)
    for one, other in zip(first.batch(7, 3), second.batch(7, 3), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert first.batch(7, 8).images != first.batch(8, 8).images
    assert first.batch(7, 8).images != _sampler(seed=1).batch(7, 8).images


def test_shapes() -> None:
    sampler = _sampler()
    batch = sampler.batch(0, 3)
    shallow, stage3 = sampler.features(batch)
    assert shallow.shape == stage3.shape == (9, 1, 1, 2)
    assert batch.query_labels.shape == (3, SIDE, SIDE)
    assert batch.support_labels.shape == (3, 2, SIDE, SIDE)
    assert shallow.dtype == stage3.dtype == np.float32
    np.testing.assert_array_equal(stage3, -shallow)
    assert shallow[:, 0, 0, 0].tolist() == [10 * row + view for row, view, _ in batch.images]
    assert set(np.unique(batch.query_labels)) == {0, 1, 255}


def test_query_and_supports_are_different_images_of_one_class() -> None:
    sampler = _sampler()
    for number in range(50):
        pick = sampler.pick(np.random.default_rng(number))
        rows = [row for row, _ in pick.supports]
        assert pick.query[0] not in rows
        assert {row // 4 + 1 for row in [pick.query[0], *rows]} == {pick.class_index}


def test_the_query_sometimes_lacks_the_class() -> None:
    labels = np.concatenate([_sampler(absent=0.4).batch(i, 4).query_labels for i in range(20)])
    without = ~(labels == 1).any(axis=(1, 2))
    assert 0.2 < without.mean() < 0.6


def test_query_and_supports_are_sometimes_one_image() -> None:
    sampler = _sampler(same_image=0.4)
    picks = [sampler.pick(np.random.default_rng(i)) for i in range(80)]
    same = [all(row == pick.query[0] for row, _ in pick.supports) for pick in picks]
    assert 0.2 < np.mean(same) < 0.6


def test_flips_turn_features_and_labels_alike() -> None:
    views = _sampler().batch(0, 8)
    steps = [flip for _, _, flip in views.images[:8]]
    assert set(steps) == {1, -1}
    for flip, label in zip(steps, views.query_labels, strict=True):
        assert (label[3, 0] == 1) == (flip == 1)


def test_a_mixture_without_an_episode_is_refused() -> None:
    with pytest.raises(DatasetError, match="only is shown by the 5 images that a 4-shot"):
        _sampler(shots=4)
