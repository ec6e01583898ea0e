"""`coco.json`: images, categories and instance annotations, as pycocotools reads them."""

import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from service.formats.instances import Instance
from service.formats.labelled import LabelledImage
from service.formats.sinks import Sink
from service.imaging import Part, cut_polygons, encode_part_rle
from service.schemas import CocoSegmentation


class CocoJson:
    """One file for all images; annotations wait in temporary files, not in memory.

    Args:
        sink: takes the file.
        classes: in the order of their numbers.
        segmentation: run lengths or polygons.
        files: closes the temporary files.
        scratch: their folder; the system's own by default. They take twice the room of the result.

    `iscrowd` is always 0: COCO's tools leave crowds out of training and matching, and no mask
    here is one to leave out. `score` and `present` are additions that its readers pass over.
    """

    of_classes = False

    def __init__(
        self,
        sink: Sink,
        classes: Sequence[str],
        segmentation: CocoSegmentation,
        files: ExitStack,
        scratch: Path | None = None,
    ) -> None:
        self._sink = sink
        self._categories = {name: number for number, name in enumerate(classes, start=1)}
        self._segmentation = segmentation
        self._scratch = scratch
        self._images = _Rows(files, scratch)
        self._annotations = _Rows(files, scratch)

    def begin(self, image: LabelledImage, stem: str) -> None:
        """Note the image."""
        self._images.add(
            {
                "id": self._images.count + 1,
                "file_name": image.file_name,
                "height": image.height,
                "width": image.width,
            }
        )

    def add(self, instance: Instance) -> None:
        """Note the object."""
        self._annotations.add(self._annotation(instance))

    def end(self) -> None:
        """All is noted."""

    def finish(self) -> None:
        """Write the file."""
        categories = [
            {"id": number, "name": name, "supercategory": ""}
            for name, number in self._categories.items()
        ]
        with TemporaryFile(dir=self._scratch) as document:
            document.write(b'{"info": {"description": "Few-shot segmentation"}, "licenses": [],')
            document.write(b'\n"categories": ' + json.dumps(categories).encode())
            for key, rows in (("images", self._images), ("annotations", self._annotations)):
                document.write(f',\n"{key}": ['.encode())
                rows.move_to(document)
                document.write(b"]")
            document.write(b"}\n")
            document.seek(0)
            self._sink.copy("coco.json", document)

    def _annotation(self, instance: Instance) -> dict[str, Any]:
        return {
            "id": self._annotations.count + 1,
            "image_id": self._images.count,
            "category_id": self._categories[instance.found.class_name],
            "segmentation": self._encoded(instance),
            "area": instance.area,
            "bbox": _box(instance.part),
            "iscrowd": 0,
            "score": round(instance.found.score, 6),
            "present": instance.found.present,
        }

    def _encoded(self, instance: Instance) -> Any:
        if self._segmentation == "rle":
            height, width = instance.found.rle.size
            return encode_part_rle(instance.part, height=height, width=width).model_dump()
        return cut_polygons(instance.regions)


def _box(part: Part) -> tuple[int, int, int, int]:
    """Around the pixels of an object: x, y, width, height."""
    height, width = part.mask.shape
    return part.left, part.top, width, height


class _Rows:
    """The rows of a JSON list, on disk."""

    def __init__(self, files: ExitStack, scratch: Path | None) -> None:
        self.count = 0
        self._file = files.enter_context(TemporaryFile(dir=scratch))  # noqa: SIM115  # the stack closes it

    def add(self, row: dict[str, Any]) -> None:
        self._file.write(b",\n" if self.count else b"\n")
        self._file.write(json.dumps(row).encode())
        self.count += 1

    def move_to(self, document: IO[bytes]) -> None:
        self._file.seek(0)
        shutil.copyfileobj(self._file, document)
