"""Networks only: no losses, no files, no devices."""

from model.nets.outputs import (
    EncodedImages,
    HighCells,
    MatchOutput,
    Prototypes,
    SDAANetOutput,
    SupportVectors,
)
from model.nets.sdaanet import SDAANet

__all__ = [
    "EncodedImages",
    "HighCells",
    "MatchOutput",
    "Prototypes",
    "SDAANet",
    "SDAANetOutput",
    "SupportVectors",
]
