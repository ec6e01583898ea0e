"""Regions of Label Studio as masks, whatever a region claims."""

import numpy as np
import pytest

from service.errors import InvalidRequestError
from service.labelling_tools import parse_label_config
from service.labelling_tools.regions import Region, to_mask

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONFIG = parse_label_config(
    '<View><Image name="i" value="$image"/>'
    '<PolygonLabels name="p" toName="i"><Label value="a"/></PolygonLabels></View>'
)


def zigzag(turns: int, side: int) -> Region:
    points = [(0 if turn % 2 else 100, 100 * turn / turns) for turn in range(turns)]
    return Region.model_validate(
        {
            "from_name": "p",
            "type": "polygonlabels",
            "original_height": side,
            "original_width": side,
            "value": {"polygonlabels": ["a"], "points": points},
        }
    )


def test_an_outline_that_is_much_longer_than_its_image_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="longer than its image allows"):
        to_mask([zigzag(2_000, 4_000)], "a", CONFIG, max_pixels=16_000_000)


def test_an_outline_of_many_turns_is_drawn() -> None:
    mask = to_mask([zigzag(200, 400)], "a", CONFIG, max_pixels=16_000_000)
    assert 0.2 < np.mean(mask) < 0.8
