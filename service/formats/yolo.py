"""`yolo`: segmentation polygons, one object a line, coordinates as shares of the image."""

import json
from collections.abc import Sequence

from service.formats.instances import Instance
from service.formats.labelled import LabelledImage
from service.formats.sinks import Sink
from service.imaging import Ring, cut_ring, join_rings

_DATA = """\
# Put the images into images/, beside labels/. To hold some out, move them and their labels.
train: images
val: images
names:
{names}"""


class YoloPolygons:
    """`yolo/labels/<image>.txt` and `yolo/data.yaml`.

    A line is the class from 0 and x, y of every corner. It can hold but one ring, so a hole, and
    a part that touches by a corner, is joined by a slit of no width. Where nothing was found the
    file is empty, which readers take for background.
    """

    of_classes = False

    def __init__(self, sink: Sink, classes: Sequence[str]) -> None:
        self._sink = sink
        self._numbers = {name: number for number, name in enumerate(classes)}
        self._path = ""
        self._lines: list[str] = []

    def begin(self, image: LabelledImage, stem: str) -> None:
        """Nothing is found yet."""
        self._path = f"yolo/labels/{stem}.txt"
        self._lines = []

    def add(self, instance: Instance) -> None:
        """Note the object."""
        ring = join_rings([cut_ring(region) for region in instance.regions])
        number = self._numbers[instance.found.class_name]
        self._lines.append(f"{number} {_shares(ring, *instance.found.rle.size)}\n")

    def end(self) -> None:
        """Write the objects of the image."""
        self._sink.write(self._path, "".join(self._lines).encode())

    def finish(self) -> None:
        """Write the names."""
        names = "".join(f"  {number}: {_yaml(name)}\n" for name, number in self._numbers.items())
        self._sink.write("yolo/data.yaml", _DATA.format(names=names or "  {}\n").encode())


def _yaml(name: str) -> str:
    """A JSON string, which is one of YAML too, where no character is a pair of escapes."""
    text = json.dumps(name, ensure_ascii=False)
    return text.replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")  # YAML: escaped alone


def _shares(ring: Ring, height: int, width: int) -> str:
    return " ".join(f"{x / width:.6f} {y / height:.6f}" for x, y in ring.tolist())
