"""What the tests of export share: a network and its bundle."""

from pathlib import Path
from typing import NamedTuple

from model.contract import Manifest
from model.nets import SDAANet


class Exported(NamedTuple):
    """A network with random weights and what export made of it."""

    network: SDAANet
    manifest: Manifest
    bundle: Path
    checkpoint: Path
