"""The stages of the network as batch functions over a loaded bundle."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from model.contract import SupportPrototype, SupportSet
from model.runtime import BundleRuntime, CellsOutput, Encoded, HeadOutput, consecutive
from service.engine.base import Coverage, ImageU8


class EncodeTask(NamedTuple):
    """An image to encode; a support brings its mask, a query none."""

    image: ImageU8
    mask: Coverage | None = None


class PrototypeTask(NamedTuple):
    """An encoded support and its mask."""

    encoded: Encoded
    mask: Coverage


class HeadTask(NamedTuple):
    """An encoded query image and the P classes to find in it.

    keep: whether these classes may be asked for again.
    """

    encoded: Encoded
    classes: tuple[SupportSet, ...]
    keep: bool = True


class CellsTask(NamedTuple):
    """A support, encoded as a query, and the class to find in it: the other supports."""

    encoded: Encoded
    others: SupportSet


class _Pair(NamedTuple):
    row: int  # of the image in its run of neighbours
    task: int
    support_set: SupportSet


class Stages:
    """Encoder, prototype and head over one runtime; every call is one batch.

    Args:
        runtime: the loaded bundle.
        max_pairs: (image, class) pairs of one head call.
        max_padded_shots: of one head call, the number of pairs times the largest number of shots
            of any. Tokens are padded to that, so it bounds their memory.
    """

    def __init__(
        self,
        runtime: BundleRuntime,
        *,
        max_pairs: int,
        max_padded_shots: int,
    ) -> None:
        self._runtime = runtime
        self._max_pairs = max_pairs
        self._max_padded_shots = max_padded_shots

    def encode(self, tasks: Sequence[EncodeTask]) -> list[Encoded]:
        """Encode supports and queries together; one encoding for each task, all of one batch."""
        images = np.stack([task.image for task in tasks])  # (B, S, S, 3)
        masks = None
        if any(task.mask is not None for task in tasks):
            everywhere = np.ones(images.shape[1:3], np.float32)
            masks = np.stack([everywhere if task.mask is None else task.mask for task in tasks])
        encoded = self._runtime.encode(images, masks)
        return [encoded.rows(i, i + 1) for i in range(len(tasks))]

    def prototypes(self, tasks: Sequence[PrototypeTask]) -> list[SupportPrototype]:
        """One prototype for each task.

        Raises:
            FloatingPointError: a mask marks nothing, or a prototype is not finite and would corrupt
                its class.
        """
        if not all(task.mask.any() for task in tasks):  # the runtime's error would be the device's
            raise FloatingPointError("a mask marks nothing")
        found: dict[int, SupportPrototype] = {}
        for run, positions in consecutive([task.encoded for task in tasks]):
            masks = np.stack([tasks[i].mask for i in positions])
            found.update(zip(positions, self._runtime.prototypes(run, masks), strict=True))
        if not all(np.isfinite(array).all() for shot in found.values() for array in shot):
            raise FloatingPointError("a prototype is not finite")
        return [found[i] for i in range(len(tasks))]

    def cells(self, tasks: Sequence[CellsTask]) -> list[CellsOutput]:
        """What a refit is fitted on, of one pair for each task.

        Raises:
            FloatingPointError: a cell is not finite and would corrupt the refit.
        """
        first = np.zeros(1, np.int64)
        found = [self._runtime.cells(task.encoded, first, [task.others]) for task in tasks]
        if not all(np.isfinite(part).all() for each in found for part in each):
            raise FloatingPointError("a cell is not finite")
        return found

    def head(self, tasks: Sequence[HeadTask]) -> list[HeadOutput]:
        """Logits (P, h, h), presence (P,) and what belongs to them for each task.

        Pairs of several tasks share a call where their images lie side by side on the device.

        Raises:
            FloatingPointError: an output is not finite.
        """
        answers: list[list[HeadOutput]] = [[] for _ in tasks]
        keep = all(task.keep for task in tasks)
        for run, positions in consecutive([task.encoded for task in tasks]):
            for chunk in self._chunks(_pairs(run, positions, tasks)):
                for pair, answer in zip(chunk, self._head_call(run, chunk, keep=keep), strict=True):
                    answers[pair.task].append(answer)
        found = [
            HeadOutput(*(np.stack(part) for part in zip(*each, strict=True))) for each in answers
        ]
        if not all(np.isfinite(part).all() for each in found for part in each):
            raise FloatingPointError("an answer is not finite")
        return found

    def _head_call(self, run: Encoded, pairs: Sequence[_Pair], *, keep: bool) -> list[HeadOutput]:
        """One answer for each pair; only the images asked about go into the graph."""
        first, last = pairs[0].row, pairs[-1].row
        image_index = np.array([pair.row - first for pair in pairs], np.int64)
        answers = self._runtime.head(
            run.rows(first, last + 1),
            image_index,
            [pair.support_set for pair in pairs],
            keep=keep,
        )
        return [HeadOutput(*parts) for parts in zip(*answers, strict=True)]

    def _chunks(self, pairs: Sequence[_Pair]) -> Iterator[Sequence[_Pair]]:
        """Consecutive pairs within both bounds of a call, at least one."""
        start, max_shots = 0, 0
        for end, pair in enumerate(pairs):
            shots = len(pair.support_set.shots)
            max_shots = max(max_shots, shots)
            count = end - start + 1
            too_many = count > self._max_pairs or count * max_shots > self._max_padded_shots
            if too_many and count > 1:
                yield pairs[start:end]
                start, max_shots = end, shots
        yield pairs[start:]


def _pairs(run: Encoded, positions: Sequence[int], tasks: Sequence[HeadTask]) -> list[_Pair]:
    return [
        _Pair(tasks[i].encoded.start - run.start, i, support_set)
        for i in positions
        for support_set in tasks[i].classes
    ]
