"""Support prototypes of many images, before and after the gate of SDPM."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from model.build.presets import imagenet_normalise
from model.contract import resize_image, resize_mask
from model.data.datasets import DatasetError, LabelledImages
from model.data.episodes import NOT_COUNTED, ClassIndex
from model.nets import SDAANet


class SupportPrototypes(NamedTuple):
    """N pairs of an image and a class in it.

    affinity: (N, C) masked averages.
    guided: (N, C) of the feature reweighted by SDPM's gate; without SDPM the same as `affinity`.
    classes: (N,) class indices.
    """

    affinity: NDArray[np.float32]
    guided: NDArray[np.float32]
    classes: NDArray[np.int64]


def draw_pairs(classes: ClassIndex, *, limit: int, seed: int) -> dict[int, list[int]]:
    """Image index → its classes, for up to `limit` distinct pairs.

    A support gives the same prototype whatever query it is paired with, so each pair of image and
    class counts once; of more than `limit`, a random choice by the seed.

    Raises:
        DatasetError: fewer than two classes have two images, so there is nothing to separate, or
            `limit` leaves too few of them.
    """
    found = classes.with_at_least(2).images
    if len(found) < 2:
        raise DatasetError(f"separability needs two classes with two images each; {NOT_COUNTED}")
    pairs = sorted((int(image), c) for c, images in found.items() for image in images)
    if len(pairs) > limit:
        chosen = np.random.default_rng(seed).choice(len(pairs), size=limit, replace=False)
        pairs = [pairs[i] for i in sorted(chosen)]
    kept = {c for _, c in pairs}
    if not 2 <= len(kept) < len(pairs):
        raise DatasetError(
            f"separability needs two classes, one of them twice: of {limit} pairs drawn, there are "
            f"{len(pairs)} of {len(kept)} classes; take more --pairs"
        )
    by_image: dict[int, list[int]] = {}
    for image, c in pairs:
        by_image.setdefault(image, []).append(c)
    return by_image


@torch.inference_mode()
def collect_prototypes(
    network: SDAANet, dataset: LabelledImages, pairs: dict[int, list[int]]
) -> SupportPrototypes:
    """Prototypes of every pair; an image is encoded once for all its classes.

    Args:
        network: in eval mode.
        dataset: images and labels.
        pairs: of `draw_pairs`.
    """
    normalise = imagenet_normalise()
    side = network.input_side
    affinity, guided, classes = [], [], []
    for index, asked in tqdm(pairs.items(), "prototypes"):
        image, label = dataset.read(index)
        features = network.backbone.features(
            normalise(torch.from_numpy(resize_image(image, side)[None]))
        )
        feature = network.reduce_support(features.mid)
        shares = torch.from_numpy(np.stack([resize_mask(label == c, side) for c in asked]))
        vectors = network.support_vectors(feature, network.resize_mask(shares))
        affinity.append(vectors.affinity.numpy())
        guided.append(vectors.guided.numpy())
        classes.extend(asked)
    return SupportPrototypes(
        np.concatenate(affinity), np.concatenate(guided), np.asarray(classes, dtype=np.int64)
    )
