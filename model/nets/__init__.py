"""Networks only: no losses, no files, no devices."""

from model.nets.outputs import (
    EncodedImages,
    MatchOutput,
    Prototypes,
    SDAANetOutput,
    SupportVectors,
)
from model.nets.sdaanet import SDAANet

__all__ = [
    "EncodedImages",
    "MatchOutput",
    "Prototypes",
    "SDAANet",
    "SDAANetOutput",
    "SupportVectors",
]
