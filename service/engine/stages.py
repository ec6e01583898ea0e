"""The three stages of the network as batch functions over a loaded bundle."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet
from model.runtime import BundleRuntime, Encoded, HeadOutput, support_cells
from service.engine.base import Coverage, EngineCounters, ImageU8


class EncodeJob(NamedTuple):
    """An image to encode; a support brings its mask, a query none."""

    image: ImageU8
    mask: Coverage | None = None


class PrototypeJob(NamedTuple):
    """An encoded support and its mask."""

    encoded: Encoded
    mask: Coverage


class HeadJob(NamedTuple):
    """An encoded query image and the P classes to find in it."""

    encoded: Encoded
    classes: tuple[SupportSet, ...]


class CellsJob(NamedTuple):
    """The supports of one class (K, S, S, 3), their masks (K, S, S) and prototypes."""

    images: NDArray[np.uint8]
    masks: Coverage
    shots: tuple[SupportPrototype, ...]


class Cells(NamedTuple):
    """What a refit is fitted on: cells (K, F, h, h) and their object shares (K, h, h)."""

    cells: NDArray[np.float32]
    shares: NDArray[np.float32]


class Stages:
    """Encoder, prototype and head over one runtime; every call is one batch.

    Args:
        runtime: the loaded bundle.
        counters: raised with every run.
        max_pairs: (image, class) pairs of one head call.
        max_padded_shots: pairs times the most shots of any, of one head call. Tokens are padded
            to that product, so it bounds their memory.
    """

    def __init__(
        self,
        runtime: BundleRuntime,
        counters: EngineCounters,
        *,
        max_pairs: int,
        max_padded_shots: int,
    ) -> None:
        self._runtime = runtime
        self._counters = counters
        self._max_pairs = max_pairs
        self._max_padded_shots = max_padded_shots

    def encode(self, jobs: Sequence[EncodeJob]) -> list[Encoded]:
        """Encode supports and queries together; one encoding, batch axis kept, for each job."""
        images = np.stack([job.image for job in jobs])  # (B, S, S, 3)
        everywhere = np.ones(images.shape[1:3], np.float32)
        masks = np.stack([everywhere if job.mask is None else job.mask for job in jobs])
        encoded = self._runtime.encode(images, masks)
        self._counters.encoder_runs += 1
        self._counters.encoder_images += len(jobs)
        return [encoded.image(i) for i in range(len(jobs))]

    def prototypes(self, jobs: Sequence[PrototypeJob]) -> list[SupportPrototype]:
        """One prototype for each job.

        Raises:
            FloatingPointError: a prototype is not finite; stored, it would spoil its class.
        """
        encoded = Encoded.stack([job.encoded for job in jobs])
        prototypes = self._runtime.prototypes(encoded, np.stack([job.mask for job in jobs]))
        if not all(np.isfinite(array).all() for shot in prototypes for array in shot):
            raise FloatingPointError("a prototype is not finite")
        return prototypes

    def cells(self, jobs: Sequence[CellsJob]) -> list[Cells]:
        """Each support seen as a query of the others, for the refit of its class.

        Raises:
            FloatingPointError: a cell is not finite; its refit would spoil the class.
        """
        found = [Cells(*support_cells(self._runtime, *job)) for job in jobs]
        if not all(np.isfinite(each.cells).all() for each in found):
            raise FloatingPointError("a cell is not finite")
        for job in jobs:
            mirrored = len(job.shots) == 1  # a single support is encoded twice
            self._counters.encoder_runs += 1 + mirrored
            self._counters.encoder_images += len(job.shots) + mirrored
        return found

    def head(self, jobs: Sequence[HeadJob]) -> list[HeadOutput]:
        """Logits (P, h, h) and presence (P,) for each job; pairs of several jobs share a call."""
        pairs = [(i, each) for i, job in enumerate(jobs) for each in job.classes]
        calls = [self._head_call(jobs, chunk) for chunk in self._chunks(pairs)]
        answers = HeadOutput(*(np.concatenate(parts) for parts in zip(*calls, strict=True)))
        if not all(np.isfinite(part).all() for part in answers):
            raise FloatingPointError("an answer is not finite")
        ends = np.cumsum([len(job.classes) for job in jobs])[:-1]
        split = [np.split(part, ends) for part in answers]
        return [HeadOutput(*parts) for parts in zip(*split, strict=True)]

    def _head_call(
        self, jobs: Sequence[HeadJob], pairs: Sequence[tuple[int, SupportSet]]
    ) -> HeadOutput:
        used = sorted({job for job, _ in pairs})
        image_index = np.array([used.index(job) for job, _ in pairs], np.int64)
        encoded = Encoded.stack([jobs[job].encoded for job in used])
        answers = self._runtime.head(encoded, image_index, [each for _, each in pairs])
        self._counters.head_runs += 1
        self._counters.head_pairs += len(pairs)
        return answers

    def _chunks(
        self, pairs: Sequence[tuple[int, SupportSet]]
    ) -> Iterator[Sequence[tuple[int, SupportSet]]]:
        """Consecutive pairs within both bounds of a call, at least one."""
        start, most_shots = 0, 0
        for end, (_, support_set) in enumerate(pairs):
            shots = len(support_set.shots)
            most_shots = max(most_shots, shots)
            count = end - start + 1
            too_many = count > self._max_pairs or count * most_shots > self._max_padded_shots
            if too_many and count > 1:
                yield pairs[start:end]
                start, most_shots = end, shots
        yield pairs[start:]
