"""Labelled images to datasets in the formats that training and labelling tools read."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from service.formats.coco import CocoJson, Segmentation
from service.formats.geojson import GeoJson
from service.formats.instances import Instance, Instances, instances
from service.formats.labelled import LabelledImage
from service.formats.masks import PngMasks
from service.formats.sinks import Sink
from service.formats.stems import Stems
from service.formats.yolo import YoloPolygons

Format = Literal["png", "coco", "yolo", "geojson"]
FORMATS: tuple[Format, ...] = ("png", "coco", "yolo", "geojson")


class ExportOptions(NamedTuple):
    """How objects are written.

    instances: what is one object: a connected part, or all of a class in an image.
    segmentation: of COCO: exact run lengths, or polygons for tools that cannot read those.
    """

    instances: Instances = "component"
    segmentation: Segmentation = "rle"


class _Writer(Protocol):
    """Is told of every image, of the objects in it, and of its end; at last, of the end of all."""

    def begin(self, image: LabelledImage, stem: str) -> None: ...

    def add(self, instance: Instance) -> None: ...

    def end(self) -> None: ...

    def finish(self) -> None: ...


def export_dataset(
    images: Iterable[LabelledImage],
    classes: Sequence[str],
    formats: Collection[Format],
    sink: Sink,
    options: ExportOptions | None = None,
    scratch: Path | None = None,
) -> None:
    """Write a dataset; images are taken one at a time, and none is kept.

    Each object is decoded and traced once, for all formats.

    Args:
        images: each with masks of these classes alone.
        classes: all there are, at most 255, in the order of their numbers.
        formats: each gets a folder or file of its own: `masks/`, `coco.json`, `yolo/`,
            `geojson/`.
        sink: a `FolderSink` or an open `ZipSink`.
        options: None: the defaults of `ExportOptions`.
        scratch: folder of temporary files, twice as large as `coco.json`; the system's by default.
    """
    with ExitStack() as files:
        options = options or ExportOptions()
        writers = [_writer(each, sink, classes, options, files, scratch) for each in formats]
        # A label map does not tell objects of a class apart.
        by: Instances = "class" if set(formats) == {"png"} else options.instances
        stems = Stems()
        for image in images:
            _write(image, stems.of(image.file_name), by, writers)
        for writer in writers:
            writer.finish()


def _write(image: LabelledImage, stem: str, by: Instances, writers: Sequence[_Writer]) -> None:
    for writer in writers:
        writer.begin(image, stem)
    for instance in instances(image, by):
        for writer in writers:
            writer.add(instance)
    for writer in writers:
        writer.end()


def _writer(
    name: Format,
    sink: Sink,
    classes: Sequence[str],
    options: ExportOptions,
    files: ExitStack,
    scratch: Path | None,
) -> _Writer:
    match name:
        case "png":
            return PngMasks(sink, classes)
        case "coco":
            return CocoJson(sink, classes, options.segmentation, files, scratch)
        case "yolo":
            return YoloPolygons(sink, classes)
        case "geojson":
            return GeoJson(sink)
