"""A loaded bundle: encode images, make prototypes, run the head."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from model.contract import (
    ENCODER,
    GRAPHS,
    PROTOTYPE,
    GraphName,
    InvalidBundleError,
    Manifest,
    Precision,
    SupportPrototype,
    SupportSet,
    load_manifest,
    read_graph,
    thin_tokens,
)
from model.runtime.class_inputs import ClassInputs, ClassTensors
from model.runtime.device import Device
from model.runtime.encoded import Encoded, EncodedBatch
from model.runtime.familiarity import are_surely_familiar
from model.runtime.graph_sessions import open_graph
from model.runtime.precision import multiplies_bytes

Float = NDArray[np.float32]

_OF_QUERIES = ("query_feature", "high_feature")


class HeadOutput(NamedTuple):
    """Answers for P pairs (axes as in `model.contract.graphs.HEAD`).

    corrected: whether the class's correction, if it has one, is meant for the image: its refit is
        in the logits then, and its pixel classifier is to be applied to them.
    """

    logits: Float  # (P, h, h)
    presence: Float  # (P,)
    corrected: NDArray[np.bool_]  # (P,)


class CellsOutput(NamedTuple):
    """What a refit is fitted on, and the network's own answer beside it, for P pairs."""

    logits: Float  # (P, h, h)
    cells: Float  # (P, F, h, h)


class DeviceUnavailableError(RuntimeError):
    """onnxruntime cannot use the device; by itself it would fall back to the CPU without a word."""


class BundleRuntime:
    """The three graphs of a bundle in onnxruntime sessions.

    Calls are synchronous and may come from several threads. What the encoder gives stays on the
    device, and so do the classes that the head was asked for last.

    Args:
        bundle: directory with `manifest.json` and the graphs.
        device: where the graphs run.
        precision: the tier whose graphs run.
        intra_op_threads: threads of one graph; 0 lets onnxruntime choose.
        memory_limit_bytes: limit for the arena of each graph on a GPU.
        class_cache_bytes: of the classes that are kept on the device as the head takes them; 32
            classes of a shot of 3 MB take 92 MB; 0: none is kept.

    Raises:
        model.contract.InvalidBundleError: the directory is not an intact bundle, or has not
            stayed one; or its graphs are not those of the contract and of its manifest.
        DeviceUnavailableError: the device's execution provider is not in use.
        model.contract.MissingTierError: it lacks the tier.
    """

    def __init__(
        self,
        bundle: Path,
        *,
        device: Device = Device(),  # noqa: B008 - immutable
        precision: Precision = "fp32",
        intra_op_threads: int = 0,
        memory_limit_bytes: int | None = None,
        class_cache_bytes: int = 0,
    ) -> None:
        self.manifest: Manifest = load_manifest(bundle)
        self._device = device
        self.precision = precision
        graphs = self.manifest.graphs_of(precision)
        options = ort.SessionOptions()
        options.intra_op_num_threads = intra_op_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait by spinning take the cores from whoever decodes and answers meanwhile.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if precision == "int8" and not multiplies_bytes():
            # Such CPUs add two products of a signed and an unsigned byte in 16 bits, which
            # overflow; products of unsigned bytes take longer and do not.
            options.add_session_config_entry("session.x64quantprecision", "1")
        # A tier's graphs may read their weights from the fp32 ones beside them.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(bundle)
        )
        self._sessions = {
            graph.name: open_graph(
                read_graph(bundle, graphs[graph.name]),
                graph,
                self.manifest.axes,
                options=options,
                # Heads and prototypes vary in classes, shots and tokens from request to request.
                providers=device.providers(
                    memory_limit_bytes=memory_limit_bytes, fixed_shapes=graph is ENCODER
                ),
            )
            for graph in GRAPHS
        }
        if precision != "fp32" and load_manifest(bundle) != self.manifest:
            raise InvalidBundleError(f"{bundle} was changed while it was loaded")
        if self.providers[0] != device.provider:
            raise DeviceUnavailableError(
                f"{device}: {device.provider} is not available, only {', '.join(self.providers)}"
            )

        self._classes = ClassInputs(device, self.manifest.gates, class_cache_bytes)
        self._everywhere: ort.OrtValue | None = None

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in actual use, which may be fewer than asked for."""
        return tuple(self._sessions["encoder"].get_providers())

    def encode(self, images: NDArray[np.uint8], masks: Float | None = None) -> Encoded:
        """Encode images (B, S, S, 3); masks (B, S, S) in [0, 1] for supports, none for queries.

        Without masks, what only supports need is not kept.

        Raises:
            ValueError: there are more or fewer masks than images; the graph would repeat a mask.
        """
        if masks is not None and masks.shape != images.shape[:3]:
            raise ValueError(f"masks {masks.shape} do not go with images {images.shape}")
        session = self._sessions["encoder"]
        binding = session.io_binding()
        binding.bind_cpu_input("image", np.ascontiguousarray(images))
        if masks is None:
            everywhere = self._ones(images.shape[:3])  # which must live until the run has ended
            binding.bind_input(
                "mask",
                everywhere.device_name(),
                self._device.memory_number,
                np.float32,
                images.shape[:3],
                everywhere.data_ptr(),
            )
        else:
            binding.bind_cpu_input("mask", np.ascontiguousarray(masks))
        names = _OF_QUERIES if masks is None else [tensor.name for tensor in ENCODER.outputs]
        for name in names:
            binding.bind_output(name, self._device.memory, self._device.memory_number)
        session.run_with_iobinding(binding)
        tensors = dict(zip(names, binding.get_outputs(), strict=True))
        return Encoded(EncodedBatch(tensors, self._device.memory_number), 0, len(images))

    def _ones(self, shape: tuple[int, ...]) -> ort.OrtValue:
        """The mask of queries: ones (B, S, S) or more in the memory of the device."""
        ones = self._everywhere
        if ones is None or ones.shape()[1:] != list(shape[1:]) or ones.shape()[0] < shape[0]:
            ones = self._everywhere = ort.OrtValue.ortvalue_from_numpy(
                np.ones(shape, np.float32), self._device.memory, self._device.memory_number
            )
        return ones

    def prototypes(self, encoded: Encoded, masks: Float) -> list[SupportPrototype]:
        """One prototype for each of B encoded supports and its mask (B, S, S) in [0, 1].

        Raises:
            ValueError: they were encoded as queries, without masks; there are more or fewer masks
                than supports; or a mask marks nothing, or more than all of a pixel.
        """
        if "support_feature" not in encoded.batch.tensors:
            raise ValueError("these images were encoded as queries: encode supports with masks")
        side = self.manifest.input_side
        if masks.shape != (len(encoded), side, side):
            raise ValueError(f"masks {masks.shape} do not go with {len(encoded)} supports")
        if not ((masks >= 0) & (masks <= 1)).all():
            raise ValueError("a mask holds something else than shares of pixels")
        if not masks.any(axis=(1, 2)).all():
            raise ValueError("a mask marks nothing: there is no object to learn")
        names = [tensor.name for tensor in PROTOTYPE.outputs]
        bound = ("support_feature", "high_feature")
        outputs = self._run("prototype", encoded, bound, {"mask": masks}, names)
        return [self._shot(*row) for row in zip(*outputs, strict=True)]

    def _shot(
        self,
        affinity: Float,
        guided: Float,
        gate: Float,
        tokens: Float,
        foreground: NDArray[np.bool_],
    ) -> SupportPrototype:
        kept = thin_tokens(
            tokens[foreground].astype(np.float16),
            channels=self.manifest.channels,
            max_bytes=self.manifest.max_shot_bytes,
        )
        half = np.float16
        return SupportPrototype(affinity.astype(half), guided.astype(half), gate.astype(half), kept)

    def head(
        self,
        encoded: Encoded,
        image_index: NDArray[np.int64],
        classes: Sequence[SupportSet],
        *,
        keep: bool = True,
    ) -> HeadOutput:
        """Answers for P pairs of an encoded image and a class.

        Args:
            encoded: the images.
            image_index: (P,) the image of each pair, by its place in `encoded`.
            classes: the class of each pair; at least one.
            keep: whether the same ones may be asked for again.

        Raises:
            ValueError: no class, or a class without shots.
        """
        foreign = self._foreign(encoded, image_index, classes)
        classes = [
            each.uncorrected if is_foreign else each
            for each, is_foreign in zip(classes, foreign, strict=True)
        ]
        feeds = self._classes.of(classes) if keep else self._classes.lay_out(classes)
        names = ["logits", "presence"]
        logits, presence = self._run_head(names, encoded, image_index, feeds)
        if growth := self.manifest.presence_growth:
            shots = np.array([each.independent_shots for each in classes], np.float32)
            presence = _lowered(presence, np.float32(growth) * np.log(shots))
        return HeadOutput(logits, presence, ~foreign)

    def _foreign(
        self, encoded: Encoded, image_index: NDArray[np.int64], classes: Sequence[SupportSet]
    ) -> NDArray[np.bool_]:
        """Which pairs (P,) are of an image that the correction of the class is not meant for."""
        familiar = self.manifest.familiar
        limited = np.array([each.unfamiliar for each in classes])
        foreign = np.zeros(len(classes), np.bool_)
        for image in np.unique(image_index[limited]).tolist():
            if are_surely_familiar(encoded.rows(image, image + 1), familiar)[0]:
                foreign |= limited & (image_index == image)
        return foreign

    def cells(
        self, encoded: Encoded, image_index: NDArray[np.int64], classes: Sequence[SupportSet]
    ) -> CellsOutput:
        """What a refit is fitted on, for P pairs of an encoded image and a class."""
        names = list(CellsOutput._fields)
        feeds = self._classes.lay_out(classes)  # not kept: no shot is left out twice
        return CellsOutput(*self._run_head(names, encoded, image_index, feeds))

    def _run_head(
        self,
        outputs: list[str],
        encoded: Encoded,
        image_index: NDArray[np.int64],
        classes: ClassTensors,
    ) -> Sequence[Float]:
        feeds = {**classes, "image_index": image_index}
        return self._run("head", encoded, _OF_QUERIES, feeds, outputs)

    def _run(
        self,
        graph: GraphName,
        encoded: Encoded,
        bound: Sequence[str],
        feeds: Mapping[str, NDArray[np.int64] | Float | ort.OrtValue],
        outputs: Sequence[str],
    ) -> Sequence[Float]:
        """Run a graph on encoded images where they lie; its answers come to the host."""
        session = self._sessions[graph]
        binding = session.io_binding()
        for name in bound:
            encoded.bind(binding, name)
        for name, value in feeds.items():
            if isinstance(value, ort.OrtValue):
                binding.bind_ortvalue_input(name, value)
            else:
                binding.bind_cpu_input(name, np.ascontiguousarray(value))
        for name in outputs:
            binding.bind_output(name)
        session.run_with_iobinding(binding)
        answers: Sequence[Float] = binding.copy_outputs_to_cpu()
        return answers


def _lowered(probability: Float, by: Float) -> Float:
    """The probabilities that result when their logits are lowered by `by`."""
    odds = probability / np.maximum(1 - probability, np.float32(1e-7)) * np.exp(-by)
    return np.asarray(odds / (1 + odds), np.float32)
