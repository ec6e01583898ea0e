"""`geojson`: a FeatureCollection for each image, polygons with holes, in pixels."""

import json
from typing import Any

import numpy as np

from service.formats.instances import Instance
from service.formats.labelled import LabelledImage
from service.formats.sinks import Sink
from service.imaging import Region, Ring


class GeoJson:
    """`geojson/<image>.geojson`.

    Coordinates are pixel corners: x to the right, y down from the top left corner of the image, so
    that an area is a number of pixels. Seen with y up, as maps are, outer rings run the way RFC
    7946 asks for. Always MultiPolygon: parts that touch by a corner are polygons of their own.
    """

    of_classes = False

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._path = ""
        self._image: dict[str, Any] = {}
        self._features: list[dict[str, Any]] = []

    def begin(self, image: LabelledImage, stem: str) -> None:
        """Nothing is found yet."""
        self._path = f"geojson/{stem}.geojson"
        self._image = {
            "file_name": image.file_name,
            "height": image.height,
            "width": image.width,
        }
        self._features = []

    def add(self, instance: Instance) -> None:
        """Note the object."""
        self._features.append(_feature(instance))

    def end(self) -> None:
        """Write the objects of the image."""
        collection = {
            "type": "FeatureCollection",
            "image": self._image,
            "features": self._features,
        }
        self._sink.write(self._path, json.dumps(collection).encode())

    def finish(self) -> None:
        """Nothing is left to write."""


def _feature(instance: Instance) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {
            "class_name": instance.found.class_name,
            "score": round(instance.found.score, 6),
            "present": instance.found.present,
            "area": instance.area,
        },
        "geometry": {
            "type": "MultiPolygon",
            "coordinates": [_polygon(region) for region in instance.regions],
        },
    }


def _polygon(region: Region) -> list[list[list[int]]]:
    return [_closed(region.outer, 1), *(_closed(hole, -1) for hole in region.holes)]


def _closed(ring: Ring, turn: int) -> list[list[int]]:
    """The ring with its first corner again at its end; `turn` is the sign its area must have."""
    x, y = ring[:, 0].astype(np.int64), ring[:, 1].astype(np.int64)
    twice_area = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum()
    ordered = ring if twice_area * turn > 0 else ring[::-1]
    return [*ordered.tolist(), ordered[0].tolist()]
