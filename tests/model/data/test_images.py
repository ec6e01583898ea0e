"""Training images: an interrupted pass over them ends."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.images import TrainingImages
from model.data.mixture import SourceImage
from tests.model.evaluation.squares import Squares


class Many(Squares):
    """Six hundred images."""

    def __len__(self) -> int:
        return 600

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        self.reads.append(index)
        label = np.ones((24, 40), np.uint8)
        return np.repeat(label[..., None], 3, axis=2), label


def test_an_interrupt_reads_none_of_the_other_images(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(passed: Iterator[None], *_: object) -> Iterator[None]:
        yield next(passed)
        raise KeyboardInterrupt

    monkeypatch.setattr("model.data.images.tqdm", interrupted)
    dataset = Many()
    images = [SourceImage(0, index) for index in range(len(dataset))]
    with pytest.raises(KeyboardInterrupt):
        TrainingImages([dataset], images, side=16, memory_bytes=1e9, workers=1)
    assert len(dataset.reads) < len(dataset)
