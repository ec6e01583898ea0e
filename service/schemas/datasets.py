"""In what forms labelled images are written as datasets."""

from typing import Literal, get_args

Format = Literal["png", "coco", "yolo", "geojson"]
FORMATS: tuple[Format, ...] = get_args(Format)
Instances = Literal["component", "class"]
"""What one object is: a connected part, or all of a class in an image."""
CocoSegmentation = Literal["rle", "polygon"]
"""The masks of COCO JSON: exact run lengths, or polygons for tools that cannot read those."""
