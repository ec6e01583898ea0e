"""Networks only: no losses, no files, no devices."""

from model.nets.sdaanet import (
    EncodedImages,
    MatchOutput,
    Prototypes,
    SDAANet,
    SDAANetOutput,
    SupportVectors,
)

__all__ = [
    "EncodedImages",
    "MatchOutput",
    "Prototypes",
    "SDAANet",
    "SDAANetOutput",
    "SupportVectors",
]
