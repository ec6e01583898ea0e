"""`masks`: label maps and classes.csv, laid out as training reads them."""

import csv
from collections.abc import Sequence
from io import StringIO

import numpy as np
from numpy.typing import NDArray

from service.formats.labelled import LabelledImage
from service.formats.sinks import Sink
from service.imaging import encode_label_map


class PngMasks:
    """`masks/labels/<image>.png`: 0 background, i the i-th class of `masks/classes.csv`.

    With the images in `masks/images/`, the folder is a set that can be trained on.
    """

    def __init__(self, sink: Sink, classes: Sequence[str]) -> None:
        self._sink = sink
        self._numbers = {name: number for number, name in enumerate(classes, start=1)}

    def add(self, image: LabelledImage, stem: str) -> None:
        """Write the label map."""
        png = encode_label_map(self._label_map(image))
        self._sink.write(f"masks/labels/{stem}.png", png)

    def finish(self) -> None:
        """Write the names."""
        table = StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("index", "name"))
        rows.writerows((number, name) for name, number in self._numbers.items())
        self._sink.write("masks/classes.csv", table.getvalue().encode())

    def _label_map(self, image: LabelledImage) -> NDArray[np.uint8]:
        labels = np.zeros((image.height, image.width), np.uint8)
        for found in image.classes:
            labels[found.mask] = self._numbers[found.class_name]
        return labels
