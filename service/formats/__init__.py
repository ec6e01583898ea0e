"""Labelled images as datasets: PNG label maps, COCO JSON, YOLO polygons, GeoJSON."""

from service.formats.export import ExportOptions, export_dataset
from service.formats.labelled import ClassMask, LabelledImage
from service.formats.sinks import FolderSink, Sink, ZipSink
from service.formats.stems import Stems, safe_path

__all__ = [
    "ClassMask",
    "ExportOptions",
    "FolderSink",
    "LabelledImage",
    "Sink",
    "Stems",
    "ZipSink",
    "export_dataset",
    "safe_path",
]
