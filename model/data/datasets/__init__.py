"""Sets of labelled images in their formats, and procedural defects."""

from model.data.datasets.base import (
    BACKGROUND,
    IGNORE,
    DatasetError,
    FromFiles,
    KnownAreas,
    LabelledImages,
    class_areas,
    source_files,
)
from model.data.datasets.coco import CocoDataset
from model.data.datasets.defects import ProceduralDefects
from model.data.datasets.folder import FolderDataset
from model.data.datasets.fss import FssDataset
from model.data.datasets.opening import open_dataset
from model.data.datasets.pascal import PascalDataset
from model.data.datasets.subset import KEEP_ALL, Keep, Subset

__all__ = [
    "BACKGROUND",
    "IGNORE",
    "KEEP_ALL",
    "CocoDataset",
    "DatasetError",
    "FolderDataset",
    "FromFiles",
    "FssDataset",
    "Keep",
    "KnownAreas",
    "LabelledImages",
    "PascalDataset",
    "ProceduralDefects",
    "Subset",
    "class_areas",
    "open_dataset",
    "source_files",
]
