"""Labelled images as datasets: PNG label maps, COCO JSON, YOLO polygons, GeoJSON."""

from service.formats.coco import Segmentation
from service.formats.export import FORMATS, ExportOptions, Format, export_dataset
from service.formats.instances import Instances
from service.formats.labelled import ClassMask, LabelledImage
from service.formats.sinks import FolderSink, Sink, ZipSink
from service.formats.stems import Stems, safe_path

__all__ = [
    "FORMATS",
    "ClassMask",
    "ExportOptions",
    "FolderSink",
    "Format",
    "Instances",
    "LabelledImage",
    "Segmentation",
    "Sink",
    "Stems",
    "ZipSink",
    "export_dataset",
    "safe_path",
]
