"""Calibration inputs of a bundle's graphs: episodes of real images, run through fp32."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader
from tqdm import tqdm

from model.contract import SupportSet, collate_classes, resize_image, resize_mask
from model.data.datasets import DatasetError, LabelledImages
from model.data.episodes import ClassIndex, draw_episode, index_classes
from model.data.mixture import classes_without, images_without
from model.runtime import BundleRuntime

Feed = dict[str, NDArray[np.generic]]

_SEED = 7


class Feeds(NamedTuple):
    """Inputs of the encoder, a support and a query for each episode, and of the head."""

    encoder: list[Feed]
    head: list[Feed]


class FeedReader(CalibrationDataReader):  # type: ignore[misc]
    """Hands feeds to onnxruntime's calibration, one by one."""

    def __init__(self, feeds: list[Feed]) -> None:
        self._feeds: Iterator[Feed] = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def collect_feeds(
    runtime: BundleRuntime, dataset: LabelledImages, *, episodes: int, min_area: int
) -> Feeds:
    """Run one-shot episodes of classes that training did not exclude.

    Args:
        runtime: the fp32 bundle; images with a class that its training left out are not drawn.
        dataset: training images.
        episodes: how many.
        min_area: pixels from which a class counts in an image.

    Raises:
        DatasetError: no class is left with two images, or one cannot be read.
    """
    classes = known_classes(runtime, dataset, min_area)
    encoder, head = [], []
    for number in tqdm(range(episodes), "calibration"):
        episode = draw_episode(classes, shots=1, seed=_SEED, number=number)
        image, label = dataset.read(episode.supports[0])
        support = _encoder_feed(runtime, image, label == episode.class_index)
        encoded = runtime.encode(support["image"], support["mask"])  # type: ignore[arg-type]
        shots = runtime.prototypes(encoded, support["mask"])  # type: ignore[arg-type]
        query_image, _ = dataset.read(episode.query)
        query = _encoder_feed(runtime, query_image, np.ones(query_image.shape[:2], np.bool_))
        encoder += [support, query]
        head.append(_head_feed(runtime, query, SupportSet(tuple(shots))))
    return Feeds(encoder, head)


def known_classes(runtime: BundleRuntime, dataset: LabelledImages, min_area: int) -> ClassIndex:
    """The classes of a set that training did not exclude, on images without excluded ones.

    Raises:
        DatasetError: no class is left with two images.
    """
    training = runtime.manifest.training
    unseen = frozenset(training.excluded_classes if training else ())
    every = index_classes(dataset, tuple(dataset.class_names), min_area)
    allowed = images_without(dataset, unseen)
    known = classes_without(dataset, every, unseen, allowed).with_at_least(2)
    if not known.images:
        raise DatasetError(
            f"{dataset.name} has no class for calibration with two images of {min_area} pixels"
        )
    return known


def _encoder_feed(
    runtime: BundleRuntime, image: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> Feed:
    side = runtime.manifest.input_side
    return {"image": resize_image(image, side)[None], "mask": resize_mask(mask, side)[None]}


def _head_feed(runtime: BundleRuntime, query: Feed, asked: SupportSet) -> Feed:
    encoded = runtime.encode(query["image"])  # type: ignore[arg-type]
    return {
        "query_feature": encoded.to_numpy("query_feature"),
        "high_feature": encoded.to_numpy("high_feature"),
        "image_index": np.zeros(1, np.int64),
        **collate_classes([asked], gates=runtime.manifest.gates)._asdict(),
    }
