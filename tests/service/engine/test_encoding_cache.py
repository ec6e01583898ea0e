"""The cache counts batches, whose images share memory."""

import numpy as np
import onnxruntime as ort
import pytest

from model.runtime import Encoded
from model.runtime.encoded import EncodedBatch, consecutive
from service.engine.encoding_cache import Digest, EncodingCache, digest


def encoded(images: int) -> list[Encoded]:
    """Single images of one batch, 400 bytes each."""
    tensor = ort.OrtValue.ortvalue_from_numpy(np.zeros((images, 1, 10, 10), np.float32))
    batch = EncodedBatch({"query_feature": tensor}, 0)
    return [Encoded(batch, i, i + 1) for i in range(images)]


def key(name: bytes, encoder: object = None) -> Digest:
    return Digest(encoder, name)


def test_what_was_longest_unused_goes_first_with_its_whole_batch() -> None:
    cache = EncodingCache(1600)
    a1, a2 = encoded(2)
    (b,) = encoded(1)
    cache.keep(key(b"a1"), a1)
    cache.keep(key(b"a2"), a2)
    cache.keep(key(b"b"), b)
    assert cache.nbytes == 1200
    assert cache.find(key(b"a2")) is a2  # a use of the batch of both
    (c,), (d,) = encoded(1), encoded(1)
    cache.keep(key(b"c"), c)
    cache.keep(key(b"d"), d)  # 2000 of 1600: the longest unused, b, goes
    assert cache.find(key(b"b")) is None
    assert [cache.find(key(name)) for name in (b"a1", b"a2", b"c", b"d")] == [a1, a2, c, d]
    assert cache.nbytes == 1600


def test_a_batch_larger_than_all_is_not_kept() -> None:
    cache = EncodingCache(1000)
    (small,) = encoded(1)
    cache.keep(key(b"small"), small)
    for number, large in enumerate(encoded(3)):
        cache.keep(key(bytes([number])), large)
    assert cache.find(key(b"small")) is small
    assert cache.nbytes == 400


def test_what_a_network_encoded_is_forgotten_with_it() -> None:
    cache = EncodingCache(2000)
    (old1, old2), (new,) = encoded(2), encoded(1)
    cache.keep(key(b"a"), old1)
    cache.keep(key(b"b"), old2)
    cache.keep(key(b"a", "another"), new)
    cache.forget(None)
    assert cache.find(key(b"a")) is cache.find(key(b"b")) is None
    assert cache.find(key(b"a", "another")) is new
    assert cache.nbytes == 400


def test_the_order_of_use_outlives_what_another_network_encoded() -> None:
    cache = EncodingCache(800)
    (a,), (b,), (c,) = encoded(1), encoded(1), encoded(1)
    cache.keep(key(b"a"), a)
    cache.keep(key(b"b"), b)
    assert cache.find(key(b"a")) is a
    cache.forget("another")
    assert key(b"b") in cache  # which is no use of it
    cache.keep(key(b"c"), c)
    assert [name in cache for name in map(key, (b"a", b"b", b"c"))] == [True, False, True]


def test_nothing_is_kept_without_room() -> None:
    none = EncodingCache(0)
    (image,) = encoded(1)
    none.keep(key(b"a"), image)
    assert none.find(key(b"a")) is None


def test_a_digest_tells_images_apart() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    other = image.copy()
    other[3, 4, 1] = 1
    assert digest(image, None) == digest(image.copy(), None) != digest(other, None)
    assert digest(image, None) != digest(image, "another")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([0, 1, 2], [((0, 3), [0, 1, 2])]),
        ([2, 0, 1], [((0, 3), [1, 2, 0])]),
        ([0, 2], [((0, 1), [0]), ((2, 3), [1])]),
        ([1, 1, 2], [((1, 3), [0, 1, 2])]),
    ],
)
def test_neighbours_of_a_batch_enter_a_graph_together(
    order: list[int], expected: list[tuple[tuple[int, int], list[int]]]
) -> None:
    images = encoded(3)
    runs = consecutive([images[i] for i in order])
    assert [((run.start, run.stop), positions) for run, positions in runs] == expected


def test_batches_stay_apart() -> None:
    runs = consecutive([encoded(1)[0], encoded(1)[0]])
    assert sorted(positions for _, positions in runs) == [[0], [1]]
