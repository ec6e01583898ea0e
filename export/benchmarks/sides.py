"""The sides of a benchmark: one network in eager PyTorch, called in two ways, and as a bundle."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from export.bundle import ExportOptions, export_bundle
from model.build import NetworkConfig, load_network, random_network, write_checkpoint
from model.build.presets import imagenet_normalise
from model.contract import SupportPrototype, SupportSet, collate_classes
from model.nets import SDAANet
from model.runtime import BundleRuntime

Float = NDArray[np.float32]
ClassTensors = Mapping[str, torch.Tensor]

OBJECT_SHARE = 0.15
_SEED = 0


class BenchmarkInputs(NamedTuple):
    """A query and N classes of K supports at the input side S."""

    query: NDArray[np.uint8]  # (S, S, 3)
    supports: NDArray[np.uint8]  # (N, K, S, S, 3)
    masks: Float  # (N, K, S, S) in {0, 1}


class EagerSide:
    """The eager network, used as the authors do: every class encodes query and supports again."""

    def __init__(self, network: SDAANet) -> None:
        self._network = network.eval()
        self._normalise = imagenet_normalise()

    @torch.inference_mode()
    def segment(self, inputs: BenchmarkInputs) -> Float:
        """Logits (N, h, h), foreground minus background."""
        logits = []
        for supports, masks in zip(inputs.supports, inputs.masks, strict=True):
            ((background, foreground),) = self._network(
                self._normalise(torch.from_numpy(inputs.query[None])),
                self._normalise(torch.from_numpy(supports))[None],
                torch.from_numpy(masks[None]),
            )
            logits.append((foreground - background).numpy())
        return np.stack(logits)


class CachedEagerSide:
    """The eager network behind the serving cut: supports were encoded before, an image is once.

    Args:
        network: on the device it runs on, in the precision it computes in.
    """

    def __init__(self, network: SDAANet) -> None:
        self._network = network.eval()
        weight = next(network.parameters())
        self._device, self._dtype = weight.device, weight.dtype
        self._normalise = imagenet_normalise().to(self._device)

    def lay_out(self, classes: Sequence[SupportSet]) -> ClassTensors:
        """The P classes of as many pairs, on the device."""
        inputs = collate_classes(classes)._asdict()
        del inputs["refit"], inputs["identity"]
        return {
            name: torch.from_numpy(value).to(self._device)
            if value.dtype == np.bool_
            else torch.from_numpy(value).to(self._device, self._dtype)
            for name, value in inputs.items()
        }

    @torch.inference_mode()
    def segment(
        self, images: NDArray[np.uint8], image_index: Sequence[int], classes: ClassTensors
    ) -> Float:
        """Logits (P, h, h), foreground minus background, of P pairs of an image and a class.

        Args:
            images: (B, S, S, 3), in the host's memory, as the logits are.
            image_index: (P,) the image of each pair.
            classes: (P,) of `lay_out`.
        """
        pixels = self._normalise(torch.from_numpy(images).to(self._device)).to(self._dtype)
        count, side = len(images), images.shape[1]
        everywhere = torch.ones(count, side, side, device=self._device, dtype=self._dtype)
        form = torch.channels_last if self._device.type == "cuda" else torch.contiguous_format
        encoded = self._network.encode(pixels.contiguous(memory_format=form), everywhere)
        rows = torch.tensor(image_index, device=self._device)
        matched = self._network.match(encoded, rows, **classes)
        logits = matched.logits[:, 1] - matched.logits[:, 0]
        return np.asarray(logits.float().cpu().numpy())


class EngineSide:
    """The bundle, used as the service does: prototypes once, then one encoding per query."""

    def __init__(self, runtime: BundleRuntime) -> None:
        self._runtime = runtime

    def register(self, inputs: BenchmarkInputs) -> list[SupportSet]:
        """Prototypes of every class, one support at a time."""
        return [
            SupportSet(tuple(map(self._prototype, images, masks)))
            for images, masks in zip(inputs.supports, inputs.masks, strict=True)
        ]

    def _prototype(self, image: NDArray[np.uint8], mask: Float) -> SupportPrototype:
        encoded = self._runtime.encode(image[None], mask[None])
        return self._runtime.prototypes(encoded, mask[None])[0]

    def segment(self, query: NDArray[np.uint8], classes: Sequence[SupportSet]) -> Float:
        """Logits (N, h, h); collating the stored prototypes is part of every query."""
        encoded = self._runtime.encode(query[None])
        return self._runtime.head(encoded, np.zeros(len(classes), np.int64), classes).logits


class Sides(NamedTuple):
    """One network on every side."""

    eager: EagerSide
    cached: CachedEagerSide
    engine: EngineSide


@contextmanager
def all_sides(config: NetworkConfig, *, threads: int) -> Iterator[Sides]:
    """A network of random weights on all sides, each with so many threads within the block.

    Raises:
        export.parity.ParityError: the bundle does not pass its own gate.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with random_bundle(config) as (checkpoint, bundle):
            network, _ = load_network(checkpoint)
            engine = EngineSide(BundleRuntime(bundle, intra_op_threads=threads))
            yield Sides(EagerSide(network), CachedEagerSide(network), engine)
    finally:
        torch.set_num_threads(before)


@contextmanager
def random_bundle(config: NetworkConfig) -> Iterator[tuple[Path, Path]]:
    """Checkpoint and bundle of a network with random weights, deleted afterwards.

    Raises:
        export.parity.ParityError: the bundle does not pass its own gate.
    """
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, bundle = Path(folder, "random.pt"), Path(folder, "bundle")
        write_checkpoint(checkpoint, random_network(config, seed=_SEED)[1])
        export_bundle(
            ExportOptions(
                checkpoint=checkpoint,
                out=bundle,
                name=config.preset,
                revision="random",
                parity_episodes=0,  # the benchmarks compare every output they time
            )
        )
        yield checkpoint, bundle


def make_inputs(*, classes: int, shots: int, side: int) -> BenchmarkInputs:
    """Soft random colours with an elliptic object on `OBJECT_SHARE` of every support."""
    rng = np.random.default_rng(_SEED)
    pairs = [[_support(rng, side) for _ in range(shots)] for _ in range(classes)]
    return BenchmarkInputs(
        query=_support(rng, side)[0],
        supports=np.array([[image for image, _ in row] for row in pairs]),
        masks=np.array([[mask for _, mask in row] for row in pairs]),
    )


def _support(rng: np.random.Generator, side: int) -> tuple[NDArray[np.uint8], Float]:
    ground, texture = (_soft_noise(rng, side, cells) for cells in (4, 24))
    flatness = rng.uniform(0.6, 1.0)
    semi_axis = side * np.sqrt(OBJECT_SHARE / (np.pi * flatness))
    centre = rng.uniform(0.4, 0.6, 2) * side
    y, x = np.mgrid[:side, :side]
    distance = np.hypot((y - centre[0]) / flatness, x - centre[1])
    mask = (distance <= semi_axis).astype(np.float32)
    image = np.where(mask[:, :, None] > 0, texture, ground)
    return image.astype(np.uint8), mask


def _soft_noise(rng: np.random.Generator, side: int, cells: int) -> Float:
    coarse = rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
    resized = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)
