"""A network of the smallest sizes, with random weights that do not vanish."""

import copy

import pytest

from model.build import PRESETS, random_network
from model.nets import SDAANet

SIDE = 65


@pytest.fixture(scope="session")
def made_once() -> SDAANet:
    """The network that no test may change."""
    return random_network(PRESETS["lite"]().at_side(SIDE), seed=0)[0]


@pytest.fixture
def network(made_once: SDAANet) -> SDAANet:
    """Lite at 65 pixels in eval mode; feature side 5."""
    return copy.deepcopy(made_once)
