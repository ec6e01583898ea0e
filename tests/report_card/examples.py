"""Classes drawn from real sets, their shots clean and corrupted, and what is measured of each."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet, resize_image, resize_mask
from model.data.datasets.base import IGNORE, LabelledImages, class_areas
from model.data.datasets.opening import open_dataset
from model.runtime import BundleRuntime, Encoded
from service.sessions.judging.signals import (
    Prediction,
    iou_by_threshold,
    measure,
    prototype_similarity,
)

SETS = (
    "pascal5i_val", "blood_cells", "magnetic_tile", "msrc", "person", "driving", "clothing",
    "voc_train",
)  # fmt: skip
KINDS = ("wrong_class", "inverted", "shifted")
QUERIES = 4
_MIN_SHARE = 0.005  # of the image, or the shot would be a bad one without any corruption
_MAX_SHARE = 0.8


class Support(NamedTuple):
    """A shot: pixels (S, S, 3), object share (S, S), its prototype and its image as a query."""

    image: NDArray[np.uint8]
    mask: NDArray[np.float32]
    shot: SupportPrototype
    query: Encoded


class Drawn(NamedTuple):
    """A class of a set, its index in label maps, and positions of images with it, shuffled."""

    dataset: LabelledImages
    label: int
    name: str
    shots: int
    images: list[int]


def draw_classes(data: Path, count: int) -> list[Drawn]:
    """The first classes of the sets in order; K goes round 3, 4, 5."""
    drawn: list[Drawn] = []
    for set_name in SETS:
        dataset = open_dataset(data / set_name)
        shown = _positions(dataset)
        for index in sorted(shown):
            shots = 3 + len(drawn) % 3
            if len(shown[index]) >= shots + QUERIES:
                order = np.random.default_rng((0, zlib.crc32(set_name.encode()), index))
                images = [int(i) for i in order.permutation(shown[index])]
                drawn.append(Drawn(dataset, index, dataset.class_names[index], shots, images))
    return drawn[:count]


def _positions(dataset: LabelledImages) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for i in range(len(dataset)):
        areas = class_areas(dataset, i)
        pixels = dataset.label(i).size
        for index, area in areas.items():
            if _MIN_SHARE <= area / pixels <= _MAX_SHARE:
                found.setdefault(index, []).append(i)
    return found


class Bench:
    """Measures classes with a bundle.

    Args:
        runtime: the bundle.
    """

    def __init__(self, runtime: BundleRuntime) -> None:
        self._runtime = runtime
        self._side = runtime.manifest.input_side

    def rows(self, drawn: Sequence[Drawn]) -> Iterator[dict[str, Any]]:
        """A row for each class; the wrong shot is one of the class before."""
        stranger = self._supports(drawn[-1])[0]
        for number, each in enumerate(drawn):
            shots = self._supports(each)
            scenes = {"clean": self._judge(shots)}
            at = number % each.shots
            for kind in KINDS:
                bad = self._corrupted(kind, shots[at], stranger, number)
                scenes[kind] = self._judge([*shots[:at], bad, *shots[at + 1 :]])
            yield {
                "set": each.dataset.name,
                "class": each.name,
                "shots": each.shots,
                "corrupted": at,
                "scenes": scenes,
                "queries": self._queries(each, shots),
            }
            stranger = shots[-1]

    def _read(self, drawn: Drawn, i: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        image, label = drawn.dataset.read(i)
        mask = resize_mask((label == drawn.label) & (label != IGNORE), self._side)
        return resize_image(image, self._side), mask

    def _supports(self, drawn: Drawn) -> list[Support]:
        pairs = [self._read(drawn, i) for i in drawn.images[: drawn.shots]]
        return [self._support(*pair, self._runtime.encode(pair[0][None])) for pair in pairs]

    def _support(
        self, image: NDArray[np.uint8], mask: NDArray[np.float32], query: Encoded
    ) -> Support:
        encoded = self._runtime.encode(image[None], mask[None])
        return Support(image, mask, self._runtime.prototypes(encoded, mask[None])[0], query)

    def _corrupted(self, kind: str, support: Support, stranger: Support, seed: int) -> Support:
        if kind == "wrong_class":
            return stranger
        mask = 1 - support.mask if kind == "inverted" else _shifted(support.mask, seed)
        return self._support(support.image, mask, support.query)

    def _judge(self, supports: Sequence[Support]) -> list[dict[str, Any]]:
        shots = [support.shot for support in supports]
        threshold = self._runtime.manifest.threshold
        judged = []
        for number, support in enumerate(supports):
            others = SupportSet((*shots[:number], *shots[number + 1 :]))
            asked = [others, SupportSet((support.shot,))]
            answer = self._runtime.head(support.query, np.zeros(2, np.int64), asked)
            found = Prediction(answer.logits[0], float(answer.presence[0]), answer.logits[1])
            signals = measure(
                support.image,
                support.mask,
                found,
                similarity=prototype_similarity(support.shot, others.shots),
                threshold=threshold,
            )
            judged.append(
                {
                    "signals": signals._asdict(),
                    "iou_by_threshold": iou_by_threshold(support.mask, found.by_others),
                }
            )
        return judged

    def _queries(self, drawn: Drawn, supports: Sequence[Support]) -> list[list[float]]:
        """IoU by threshold of images that no shot was made of."""
        known = [SupportSet(tuple(support.shot for support in supports))]
        rows = []
        for i in drawn.images[drawn.shots : drawn.shots + QUERIES]:
            image, mask = self._read(drawn, i)
            answer = self._runtime.head(
                self._runtime.encode(image[None]), np.zeros(1, np.int64), known
            )
            rows.append(iou_by_threshold(mask, answer.logits[0]))
        return rows


def _shifted(mask: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Moved by half of its box (at most a quarter of the image) towards where there is room."""
    rows, columns = np.nonzero(mask.max(axis=1))[0], np.nonzero(mask.max(axis=0))[0]
    rng = np.random.default_rng((1, seed))
    side = mask.shape[0]
    shift = []
    for extent, room in ((rows, rng), (columns, rng)):
        step = min((extent[-1] - extent[0] + 1) // 2, side // 4)
        free_after, free_before = side - 1 - extent[-1], extent[0]
        sign = np.sign(free_after - free_before) or room.choice((-1, 1))
        shift.append(int(sign * step))
    moved = np.zeros_like(mask)
    down, right = shift
    moved[max(0, down) : side + min(0, down), max(0, right) : side + min(0, right)] = mask[
        max(0, -down) : side - max(0, down), max(0, -right) : side - max(0, right)
    ]
    return moved
