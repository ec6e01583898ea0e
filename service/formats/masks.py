"""`masks`: label maps and classes.csv, laid out as training reads them."""

import csv
from collections.abc import Sequence
from io import StringIO

import numpy as np
from numpy.typing import NDArray

from service.formats.instances import Instance
from service.formats.labelled import LabelledImage
from service.formats.sinks import Sink
from service.imaging import encode_label_map


class PngMasks:
    """`masks/labels/<image>.png`: 0 background, i the i-th class of `masks/classes.csv`.

    With the images in `masks/images/`, the folder is a set that can be trained on.
    """

    of_classes = True

    def __init__(self, sink: Sink, classes: Sequence[str]) -> None:
        self._sink = sink
        self._numbers = {name: number for number, name in enumerate(classes, start=1)}
        self._path = ""
        self._labels: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)

    def begin(self, image: LabelledImage, stem: str) -> None:
        """All is background."""
        self._path = f"masks/labels/{stem}.png"
        self._labels = np.zeros((image.height, image.width), np.uint8)

    def add(self, instance: Instance) -> None:
        """Mark the object."""
        top, left, mask = instance.part
        height, width = mask.shape
        window = self._labels[top : top + height, left : left + width]
        window[mask] = self._numbers[instance.found.class_name]

    def end(self) -> None:
        """Write the label map."""
        self._sink.write(self._path, encode_label_map(self._labels))

    def finish(self) -> None:
        """Write the names."""
        table = StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("index", "name"))
        rows.writerows((number, name) for name, number in self._numbers.items())
        self._sink.write("masks/classes.csv", table.getvalue().encode())
