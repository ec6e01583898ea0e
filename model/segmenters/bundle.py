"""A bundle under the episode loop."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet, resize_image, resize_mask
from model.evaluation.prediction import Prediction
from model.lru_cache import KEPT_BYTES, LRUCache
from model.runtime import (
    Adapt,
    Adaptation,
    BundleRuntime,
    Encoded,
    PixelColours,
    SupportImages,
    adapt_to,
    correct,
    predict_left_out,
)
from model.segmenters.supports import recognition_views, support_key


class BundleSupport(NamedTuple):
    """A support's prototypes, and its input, which adaptation encodes again.

    identity: (D,) its mean token over several views.
    """

    prototype: SupportPrototype
    identity: NDArray[np.float16]
    image: NDArray[np.uint8]  # (S, S, 3)
    mask: NDArray[np.float32]  # (S, S)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.prototype.nbytes + self.identity.nbytes + self.image.nbytes + self.mask.nbytes


class _AdaptedSet(NamedTuple):
    """A class that was adapted, and the supports that it was fitted to."""

    supports: tuple[BundleSupport, ...]
    support_set: SupportSet

    @property
    def nbytes(self) -> int:
        """Bytes of the supports; an adaptation is small."""
        return sum(support.nbytes for support in self.supports)


class BundleSegmenter:
    """A bundle, run by the runtime that serves it.

    The encoder masks the high-level feature inside its graph, so a support cannot reuse what was
    computed for the same image as a query; it is cached by image and mask instead.

    Args:
        runtime: the loaded bundle.
        adapt: whether the answer is adapted to the supports of each episode.
        threshold: foreground probability that it is adapted for; by default the bundle's.
        near_views: judge presence by near views of supports, as it is served; without them, by the
            supports as they are, which saves two of three encodings of a large object, and three
            of four of a small one.
        limit_bytes: of the cached queries, again of the cached supports, and again of the supports
            whose adaptation is cached.
    """

    def __init__(
        self,
        runtime: BundleRuntime,
        *,
        adapt: Adapt = False,
        threshold: float | None = None,
        near_views: bool = True,
        limit_bytes: int = KEPT_BYTES,
    ) -> None:
        self._runtime, self._adapt, self._near_views = runtime, adapt, near_views
        self._threshold = runtime.manifest.threshold if threshold is None else threshold
        self._side = runtime.manifest.input_side
        self._queries: LRUCache[Encoded] = LRUCache(lambda encoded: encoded.nbytes, limit_bytes)
        self._supports: LRUCache[BundleSupport] = LRUCache(
            lambda support: support.nbytes, limit_bytes
        )
        self._adapted: LRUCache[_AdaptedSet] = LRUCache(lambda each: each.nbytes, limit_bytes)

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> BundleSupport:
        """See `Segmenter`."""
        return self._supports.get(support_key(key, mask), lambda: self._encode_support(image, mask))

    def _encode_support(self, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> BundleSupport:
        pixels, share = resize_image(image, self._side), resize_mask(mask, self._side)
        (prototype,) = self._prototypes(pixels[None], share[None])
        views = [prototype]
        if self._near_views:
            shown = recognition_views(image, mask, self._side)
            known = views if shown.with_whole else []
            views = known + self._prototypes(shown.pixels, shown.shares)
        identity = np.mean([view.mean_token for view in views], axis=0).astype(np.float16)
        return BundleSupport(prototype, identity, pixels, share)

    def _prototypes(
        self, pixels: NDArray[np.uint8], shares: NDArray[np.float32]
    ) -> list[SupportPrototype]:
        return self._runtime.prototypes(self._runtime.encode(pixels, shares), shares)

    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        """See `Segmenter`."""
        encoded = self._queries.get(
            key, lambda: self._runtime.encode(resize_image(image, self._side)[None])
        )
        support_set = self._support_set(tuple(cast(Sequence[BundleSupport], supports)))
        output = self._runtime.head(encoded, np.zeros(1, np.int64), [support_set])
        (logits,) = output.logits
        if support_set.pixel_classifier is not None and output.corrected[0]:
            colours = PixelColours(resize_image(image, self._side))
            logits = correct(logits, support_set.pixel_classifier, colours)
        return Prediction(logits, float(output.presence[0]))

    def _support_set(self, supports: tuple[BundleSupport, ...]) -> SupportSet:
        if self._adapt:
            # While a set is kept its supports are too, and no others have their ids.
            ids = tuple(id(support) for support in supports)
            adapted = self._adapted.get(
                ids, lambda: _AdaptedSet(supports, self._adapt_to(supports, self._adapt))
            )
            return adapted.support_set
        return _class_of(supports, Adaptation())

    def _adapt_to(self, supports: tuple[BundleSupport, ...], adapt: Adapt) -> SupportSet:
        shots = tuple(support.prototype for support in supports)
        images = [support.image for support in supports]
        masks = [support.mask for support in supports]
        seen = SupportImages.of(images, masks, shots)
        predictions = predict_left_out(self._runtime, seen)
        return _class_of(supports, adapt_to(seen, predictions, adapt, threshold=self._threshold))


def _class_of(supports: tuple[BundleSupport, ...], adaptation: Adaptation) -> SupportSet:
    return SupportSet(
        tuple(support.prototype for support in supports),
        identities=np.stack([support.identity for support in supports]),
        **adaptation._asdict(),
    )
