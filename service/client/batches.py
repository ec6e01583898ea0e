"""Many images as requests of a size the service takes."""

from collections.abc import Iterable, Iterator

from service.image_files import ImageLike, size_hint
from service.schemas import MAX_FILES
from service.units import MIB

# Half of what a service takes by default: many small requests are repeated cheaply.
_MAX_BYTES = 32 * MIB


def batches(
    images: Iterable[ImageLike], size: int = MAX_FILES, max_bytes: int = _MAX_BYTES
) -> Iterator[list[ImageLike]]:
    """Groups of at most `size` images and, but for a single one, `max_bytes`, as they come."""
    batch: list[ImageLike] = []
    bytes_inside = 0
    for image in images:
        weight = size_hint(image)
        if batch and (len(batch) == size or bytes_inside + weight > max_bytes):
            yield batch
            batch, bytes_inside = [], 0
        batch.append(image)
        bytes_inside += weight
    if batch:
        yield batch
