"""Labelled images to datasets in the formats that training and labelling tools read."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from posixpath import splitext
from typing import NamedTuple, Protocol

from service.formats.coco import CocoJson
from service.formats.geojson import GeoJson
from service.formats.instances import Instance, objects, whole_classes
from service.formats.labelled import LabelledImage
from service.formats.masks import PngMasks
from service.formats.sinks import Sink
from service.formats.stems import Stems
from service.formats.yolo import YoloPolygons
from service.schemas import CocoSegmentation, Format, Instances


class ExportOptions(NamedTuple):
    """How objects are written.

    instances: what is one object: a connected part, or all of a class in an image.
    segmentation: of COCO: exact run lengths, or polygons for tools that cannot read those.
    min_area: pixels; connected parts that have fewer are no objects, and belong to none. Label maps
        keep them: every pixel of theirs is what the network says.
    """

    instances: Instances = "component"
    segmentation: CocoSegmentation = "rle"
    min_area: int = 0


class _Writer(Protocol):
    """Is told of every image, of the objects in it, and of its end; at last, of the end of all.

    of_classes: whether it is told of all pixels of each class instead of the objects.
    """

    of_classes: bool

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
) -> dict[str, str]:
    """Write a dataset; images are taken one at a time, and none is kept.

    Each object is decoded and traced once, for all formats.

    Args:
        images: each with masks of these classes alone.
        classes: all there are, at most `MAX_CLASSES`, in the order of their numbers.
        formats: each gets a folder or file of its own: `masks/`, `coco.json`, `yolo/`,
            `geojson/`.
        sink: a `FolderSink` or an open `ZipSink`.
        options: None: the defaults of `ExportOptions`.
        scratch: folder of temporary files, twice as large as `coco.json`; the system's by default.

    Returns:
        Images whose files have another name than theirs, and which one: tools that look for labels
        by the names of images, such as Ultralytics', do not find those.
    """
    with ExitStack() as files:
        options = options or ExportOptions()
        writers = [_writer(each, sink, classes, options, files, scratch) for each in formats]
        stems, renamed = Stems(), dict[str, str]()
        for image in images:
            stem = stems.of(image.file_name)
            if stem != splitext(image.file_name)[0]:
                renamed[image.file_name] = stem
            _write(image, stem, options, writers)
        for writer in writers:
            writer.finish()
        return renamed


def _write(
    image: LabelledImage, stem: str, options: ExportOptions, writers: Sequence[_Writer]
) -> None:
    of_classes = [writer for writer in writers if writer.of_classes]
    of_objects = [writer for writer in writers if not writer.of_classes]
    for writer in writers:
        writer.begin(image, stem)
    for whole in whole_classes(image):
        for writer in of_classes:
            writer.add(whole)
        for each in objects(whole, options.instances, options.min_area) if of_objects else ():
            for writer in of_objects:
                writer.add(each)
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
