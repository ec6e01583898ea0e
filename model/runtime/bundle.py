"""A loaded bundle: encode images, make prototypes, run the head."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from model.contract import (
    GRAPHS,
    Manifest,
    Precision,
    SupportPrototype,
    SupportSet,
    collate_classes,
    load_manifest,
    thin_tokens,
)

Float = NDArray[np.float32]


class Encoded(NamedTuple):
    """Encoder outputs for B images (axes as in `model.contract.graphs.ENCODER`)."""

    support_feature: Float  # (B, C, h, h)
    query_feature: Float  # (B, C, h, h)
    high_feature: Float  # (B, D, h, h)

    @classmethod
    def stack(cls, parts: Sequence["Encoded"]) -> Self:
        """Join along the image axis."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def image(self, index: int) -> "Encoded":
        """The encoding of one image, batch axis kept."""
        return Encoded(*(array[index : index + 1] for array in self))


class HeadOutput(NamedTuple):
    """Answers for P pairs (axes as in `model.contract.graphs.HEAD`)."""

    logits: Float  # (P, h, h)
    presence: Float  # (P,)


class BundleRuntime:
    """The three graphs of a bundle in onnxruntime sessions.

    Calls are synchronous, hold no state and may come from several threads.

    Args:
        bundle: directory with `manifest.json` and the graphs.
        precision: which tier of them.
        providers: onnxruntime execution providers, best first.
        intra_op_threads: threads of one graph; 0 lets onnxruntime choose.

    Raises:
        model.contract.InvalidBundleError: the directory is not an intact bundle.
        model.contract.MissingTierError: it lacks the tier.
    """

    def __init__(
        self,
        bundle: Path,
        *,
        precision: Precision = "fp32",
        providers: Sequence[str] = ("CPUExecutionProvider",),
        intra_op_threads: int = 0,
    ) -> None:
        self.manifest: Manifest = load_manifest(bundle)
        self.precision = precision
        graphs = self.manifest.graphs_of(precision)
        options = ort.SessionOptions()
        options.intra_op_num_threads = intra_op_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._sessions = {
            graph.name: ort.InferenceSession(
                bundle / graphs[graph.name].file,  # type: ignore[index]
                sess_options=options,
                providers=list(providers),
            )
            for graph in GRAPHS
        }

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in actual use, which may be fewer than asked for."""
        return tuple(self._sessions["encoder"].get_providers())

    def encode(self, images: NDArray[np.uint8], masks: Float | None = None) -> Encoded:
        """Encode images (B, S, S, 3); masks (B, S, S) in [0, 1] for supports, none for queries."""
        if masks is None:
            masks = np.ones(images.shape[:3], np.float32)
        return Encoded(*self._sessions["encoder"].run(None, {"image": images, "mask": masks}))

    def prototypes(self, encoded: Encoded, masks: Float) -> list[SupportPrototype]:
        """One prototype for each of B encoded supports and its mask (B, S, S)."""
        outputs = self._sessions["prototype"].run(
            None,
            {
                "support_feature": encoded.support_feature,
                "high_feature": encoded.high_feature,
                "mask": masks,
            },
        )
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
        self, encoded: Encoded, image_index: NDArray[np.int64], classes: Sequence[SupportSet]
    ) -> HeadOutput:
        """Answers for P pairs of an encoded image and a class."""
        names = list(HeadOutput._fields)
        return HeadOutput(*self._run_head(names, encoded, image_index, classes))

    def cells(
        self, encoded: Encoded, image_index: NDArray[np.int64], classes: Sequence[SupportSet]
    ) -> Float:
        """What a refit is fitted on, (P, F, h, h), for the same pairs."""
        (cells,) = self._run_head(["cells"], encoded, image_index, classes)
        return np.asarray(cells)

    def _run_head(
        self,
        outputs: list[str],
        encoded: Encoded,
        image_index: NDArray[np.int64],
        classes: Sequence[SupportSet],
    ) -> Sequence[Float]:
        feeds = {
            "query_feature": encoded.query_feature,
            "high_feature": encoded.high_feature,
            "image_index": image_index,
            **collate_classes(classes, gates=self.manifest.gates)._asdict(),
        }
        answers: Sequence[Float] = self._sessions["head"].run(outputs, feeds)
        return answers
