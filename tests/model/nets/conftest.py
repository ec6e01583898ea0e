"""A network of the smallest sizes, with random weights that do not vanish."""

import pytest
import torch

from model.build import PRESETS, build_network
from model.nets import SDAANet

SIDE = 65


@pytest.fixture
def network() -> SDAANet:
    """Lite at 65 pixels in eval mode; feature side 5."""
    torch.manual_seed(0)
    return build_network(PRESETS["lite"]().at_side(SIDE)).eval()
