"""Run lengths of a part of a mask, without the rest of the mask around it."""

import numpy as np
from pycocotools import mask as coco_mask

from service.imaging.regions import Part
from service.schemas import RleMask


def decode_part_rle(rle: RleMask) -> Part | None:
    """The mask of COCO RLE within its bounding box; None of an empty one, which costs nothing."""
    encoded = rle.model_dump()
    if not coco_mask.area(encoded):
        return None
    left, top, width, height = (int(value) for value in coco_mask.toBbox(encoded))
    inside = coco_mask.decode(encoded)[top : top + height, left : left + width]
    return Part(top, left, np.ascontiguousarray(inside).view(np.bool_))


def encode_part_rle(part: Part, *, height: int, width: int) -> RleMask:
    """What `encode_rle` gives for the part alone in a mask (height, width), quick for a tiny part.

    Run lengths go down the columns; a column of the part that reaches from the top to the bottom
    of the mask runs on into the next one.

    Args:
        part: not empty.
        height: of the whole mask, in pixels.
        width: likewise.
    """
    rows, columns = part.mask.shape
    padded = np.zeros((columns, rows + 2), np.int8)
    padded[:, 1:-1] = part.mask.T
    x, y = np.nonzero(np.diff(padded, axis=1))
    edges = ((part.left + x) * height + part.top + y).reshape(-1, 2)  # (runs, start and end)
    runs_on = edges[1:, 0] == edges[:-1, 1]
    starts = edges[np.concatenate([[True], ~runs_on]), 0]
    ends = edges[np.concatenate([~runs_on, [True]]), 1]
    bounds = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], bounds, [height * width]])).tolist()
    if not counts[-1]:
        counts.pop()
    encoded = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return RleMask(size=(height, width), counts=encoded["counts"].decode("ascii"))
