"""The committed photographs: they open, fit their masks, and are photographs, not flat shapes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from service.samples import CLASSES, SAMPLES, Sample, queries, supports
from tests.studio.catalogue import PICTURES

ALL = [Sample(SAMPLES, picture.name) for picture in PICTURES]


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_photograph_has_texture_everywhere(sample: Sample) -> None:
    grey = cv2.cvtColor(sample.pixels(), cv2.COLOR_RGB2GRAY).astype(np.float32)
    tiles = grey.reshape(6, grey.shape[0] // 6, 8, grey.shape[1] // 8)
    assert grey.shape == (600, 800)
    assert grey.std() > 12
    assert tiles.std(axis=(1, 3)).min() > 0.5  # grain, at the least


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_masks_fit_their_photograph(sample: Sample) -> None:
    for class_name in CLASSES:
        mask = sample.mask(class_name)
        assert mask.shape == sample.pixels().shape[:2]
        assert not mask.any() or 0.002 < mask.mean() < 0.6


@pytest.mark.parametrize("class_name", CLASSES)
def test_every_support_shows_its_class(class_name: str) -> None:
    shots = supports(class_name)
    assert len(shots) == 3
    assert all(shot.mask(class_name).any() for shot in shots)


def test_queries_hold_one_class_both_or_none() -> None:
    shown = [frozenset(name for name in CLASSES if query.mask(name).any()) for query in queries()]
    assert all(sum(name in names for names in shown) >= 4 for name in CLASSES)
    assert frozenset(CLASSES) in shown
    assert frozenset() in shown


def test_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 4_000_000


def test_missing_samples_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="support_duck_"):
        supports("duck", tmp_path)
