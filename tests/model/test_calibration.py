"""What a calibration is drawn from."""

import numpy as np
from numpy.typing import NDArray

from model.calibration import calibration_episodes
from model.data.episodes import index_classes
from tests.model.evaluation.squares import Squares


class WithUnseen(Squares):
    """The last two images also show a class that the checkpoint may not know."""

    def label(self, index: int) -> NDArray[np.uint8]:
        label = super().label(index)
        if index >= 4:
            label[20:, 30:] = 3
        return label


def test_no_image_with_an_unseen_class_is_drawn() -> None:
    dataset = WithUnseen(class_names={1: "left", 2: "right", 3: "night owl"})
    calibration = calibration_episodes(
        dataset,
        index_classes(dataset, (1, 2, 3), min_area=10),
        excluded=frozenset({"Night_Owl"}),
        shots=1,
        episodes=60,
        seed=0,
    )
    assert calibration.images.tolist() == [0, 1, 2, 3]
    drawn = [calibration.episodes.draw(number) for number in range(60)]
    assert {episode.class_index for episode, _ in drawn} == {1, 2}
    used = {index for episode, _ in drawn for index in (episode.query, *episode.supports)}
    assert used == {0, 1, 2, 3}
    for episode, present in drawn:
        assert (episode.class_index in dataset.label(episode.query)) == present
