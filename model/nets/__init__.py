"""Networks only: no losses, no files, no devices."""

from model.nets.sdaanet import EncodedImages, Prototypes, SDAANet, SDAANetOutput

__all__ = ["EncodedImages", "Prototypes", "SDAANet", "SDAANetOutput"]
