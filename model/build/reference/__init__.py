"""Weights of the SD-AANet authors' code (github.com/cv516Buaa/SD-AANet) in networks of ours."""

from model.build.reference.layout import ReferenceStateError
from model.build.reference.reading import (
    TrainingSet,
    import_reference,
    read_reference,
    reference_config,
)

__all__ = [
    "ReferenceStateError",
    "TrainingSet",
    "import_reference",
    "read_reference",
    "reference_config",
]
