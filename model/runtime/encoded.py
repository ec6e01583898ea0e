"""Encoder outputs, kept in the device's memory."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from model.contract import ENCODER

_DTYPES = {tensor.name: np.dtype(tensor.dtype) for tensor in ENCODER.outputs}


class EncodedBatch:
    """The tensors of one encoder run, by name (axes as in `model.contract.graphs.ENCODER`).

    Args:
        tensors: in the memory of the device.
        device_number: which device of its kind that is.
    """

    def __init__(self, tensors: Mapping[str, ort.OrtValue], device_number: int) -> None:
        self.tensors, self.device_number = dict(tensors), device_number
        self.shapes = {name: tuple(value.shape()) for name, value in self.tensors.items()}
        self.nbytes: int = sum(_DTYPES[name].itemsize * prod(s) for name, s in self.shapes.items())


class Encoded:
    """Consecutive images of a batch. Nothing is copied, so they keep the whole batch in memory.

    Args:
        batch: the encoder's outputs for all images of the run.
        start: position of the first image in the batch.
        stop: position after the last one.
    """

    def __init__(self, batch: EncodedBatch, start: int, stop: int) -> None:
        self.batch, self.start, self.stop = batch, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def nbytes(self) -> int:
        """Bytes that these images keep in memory: those of the whole batch."""
        return self.batch.nbytes

    def rows(self, start: int, stop: int) -> "Encoded":
        """Some of these images; positions are counted from the first of them."""
        return Encoded(self.batch, self.start + start, self.start + stop)

    def to_numpy(self, name: str) -> NDArray[np.float32]:
        """A copy of a tensor of these images in the host's memory."""
        return np.array(self.batch.tensors[name].numpy()[self.start : self.stop])

    def bind(self, binding: ort.IOBinding, name: str) -> None:
        """Bind the tensor `name` of these images as the input of that name, without a copy."""
        value, shape = self.batch.tensors[name], self.batch.shapes[name]
        stride = prod(shape[1:]) * _DTYPES[name].itemsize
        binding.bind_input(
            name,
            value.device_name(),
            self.batch.device_number,
            _DTYPES[name].type,
            (len(self), *shape[1:]),
            value.data_ptr() + self.start * stride,
        )


def consecutive(parts: Sequence[Encoded]) -> list[tuple[Encoded, list[int]]]:
    """Which parts, each one image, can enter a graph together without a copy.

    Returns:
        Runs of neighbours in one batch, each with the positions in `parts` of its images; an image
        that comes several times is one image of the run. Positions are sorted by image.
    """
    order = sorted(range(len(parts)), key=lambda i: (id(parts[i].batch), parts[i].start))
    runs: list[tuple[Encoded, list[int]]] = []
    for i in order:
        part = parts[i]
        if runs and runs[-1][0].batch is part.batch and runs[-1][0].stop >= part.start:
            run, positions = runs[-1]
            runs[-1] = (Encoded(run.batch, run.start, max(run.stop, part.stop)), [*positions, i])
        else:
            runs.append((part, [i]))
    return runs
