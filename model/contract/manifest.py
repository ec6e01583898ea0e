"""The manifest of a bundle: everything serving must know about a trained network."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.contract.errors import InvalidBundleError, MissingTierError
from model.contract.graphs import GraphName
from model.contract.prototype import GateFusion
from model.contract.replacing import replace_text
from model.contract.signature import BundleKey

MANIFEST_FILE = "manifest.json"
FORMAT_VERSION: Literal[4] = 4
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
REVISION_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$"

Precision = Literal["fp32", "fp16", "int8"]
Channel = tuple[float, float, float]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GraphFile(_Record):
    """One ONNX file of the bundle, relative to the manifest."""

    file: Annotated[str, Field(pattern=r"^[a-z0-9_.]+\.onnx$")]
    sha256: Sha256
    size_bytes: Annotated[int, Field(gt=0)]

    @classmethod
    def of(cls, path: Path) -> Self:
        """The entry of a file that lies beside the manifest."""
        return cls(file=path.name, sha256=file_sha256(path), size_bytes=path.stat().st_size)


class Tier(_Record):
    """The graphs once more in another precision, with what that costs; see `export.tiers`.

    `metrics` hold the mean IoU of this tier and of fp32 on the same episodes, and their agreement.
    """

    graphs: dict[GraphName, GraphFile]
    metrics: dict[str, float]


class TrainingRecord(_Record):
    """How the weights came about; `curves` maps a name to [step, value] points."""

    data: tuple[str, ...]
    excluded_classes: tuple[str, ...]
    seed: int
    minutes: float
    episodes: int
    config: dict[str, Any]
    curves: dict[str, list[tuple[float, float]]]


class Familiar(_Record):
    """Which images a network is used to: those with high-level features near those of training.

    centre: (D,) mean of `model.runtime.image_vectors` over images of training.
    distance: distance from the centre within which nearly all of those images lie.
    """

    centre: tuple[float, ...]
    distance: Annotated[float, Field(gt=0)]


class Manifest(_Record):
    """Sizes, numbers and provenance of a bundle. Sides are pixels or cells, square.

    `graphs` are fp32; `tiers` hold those of other precisions that passed their gate.
    `mean` and `std` are those of the normalisation inside the encoder's graph. They inform readers
    of a manifest; no code uses them.
    `max_shot_bytes` bounds what is kept of a shot, see `prototype.thin_tokens`.
    `presence_growth` is by how much the logit of a presence grows with e times as many different
    shots, class present or not; the runtime takes it off, so that one threshold serves any number
    of shots.
    """

    format_version: Literal[4] = FORMAT_VERSION
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    revision: Annotated[str, Field(pattern=REVISION_PATTERN)]
    preset: str
    input_side: Annotated[int, Field(ge=32, le=2048)]
    feature_side: Annotated[int, Field(ge=4, le=512)]
    channels: Annotated[int, Field(ge=1)]
    high_channels: Annotated[int, Field(ge=1)]
    mean: Channel
    std: Channel
    threshold: Annotated[float, Field(gt=0, lt=1)]
    presence_threshold: Annotated[float, Field(gt=0, lt=1)]
    presence_growth: Annotated[float, Field(ge=0, le=10)] = 0.0
    max_shot_bytes: Annotated[int, Field(ge=1024)]
    gates: GateFusion = "mean"
    familiar: Familiar | None = None
    opset: int
    graphs: dict[GraphName, GraphFile]
    tiers: dict[Literal["fp16", "int8"], Tier] = {}
    metrics: dict[str, float]
    training: TrainingRecord | None = None

    @model_validator(mode="after")
    def _centre_is_a_feature(self) -> Self:
        if self.familiar is not None and len(self.familiar.centre) != self.high_channels:
            raise ValueError("the centre of what is familiar is no high-level feature")
        return self

    @property
    def model(self) -> str:
        """Name and revision: what a network goes by wherever several are told apart."""
        return f"{self.name}@{self.revision}"

    @property
    def axes(self) -> dict[str, int]:
        """The sizes of the fixed axes of its graphs; see `model.contract.graphs`."""
        side, features = self.feature_side, 2 * self.channels
        return {
            "S": self.input_side,
            "C": self.channels,
            "D": self.high_channels,
            "h": side,
            "hh": side**2,
            "F": features,
            "R": features + 2,
        }

    def graphs_of(self, precision: Precision) -> dict[GraphName, GraphFile]:
        """The graphs of a tier.

        Raises:
            MissingTierError: the bundle has no such tier.
        """
        if precision == "fp32":
            return self.graphs
        if precision not in self.tiers:
            raise MissingTierError(
                f"bundle {self.name} has no {precision} tier: it has "
                f"{', '.join(['fp32', *self.tiers])}; `python -m export.tiers` makes more"
            )
        return self.tiers[precision].graphs


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_manifest(bundle: Path, key: BundleKey | None = None) -> Manifest:
    """Read and verify a bundle directory: manifest, presence and hash of every graph of any tier.

    Other files in it do not matter: nothing reads them.

    Args:
        bundle: the directory.
        key: whose signature the manifest must bear; none: it needs no signature.

    Raises:
        InvalidBundleError: something is missing, malformed, not signed or does not match its hash.
    """
    path = bundle / MANIFEST_FILE
    try:
        text = path.read_bytes()
        if key is not None:
            key.require_signature(bundle, text)
        manifest = Manifest.model_validate_json(text)
    except OSError as exc:
        raise InvalidBundleError(f"no bundle at {bundle}: {MANIFEST_FILE} is not readable") from exc
    except ValidationError as exc:
        raise InvalidBundleError(f"{path} is not a manifest of format {FORMAT_VERSION}") from exc
    for graphs in (manifest.graphs, *(tier.graphs for tier in manifest.tiers.values())):
        _verify_graphs(bundle, graphs)
    return manifest


def write_manifest(bundle: Path, manifest: Manifest) -> None:
    """Write a bundle's manifest atomically; a signature of an earlier one does not fit it.

    Raises:
        ValueError: a number is not finite, which no manifest may hold.
    """
    text = json.dumps(manifest.model_dump(), indent=1, allow_nan=False)
    replace_text(bundle / MANIFEST_FILE, text + "\n")


def read_graph(bundle: Path, graph: GraphFile) -> bytes:
    """The bytes of a graph, checked against their hash; later changes of the file do not matter.

    Raises:
        InvalidBundleError: they cannot be read, or do not match the manifest.
    """
    path = bundle / graph.file
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InvalidBundleError(f"graph {path} is not readable") from exc
    if hashlib.sha256(content).hexdigest() != graph.sha256:
        raise InvalidBundleError(f"graph {path} does not match its hash in {MANIFEST_FILE}")
    return content


def _verify_graphs(bundle: Path, graphs: dict[GraphName, GraphFile]) -> None:
    path = bundle / MANIFEST_FILE
    missing = set(get_args(GraphName)) - set(graphs)
    if missing:
        raise InvalidBundleError(f"{path} lists no graph for {', '.join(sorted(missing))}")
    for name, graph in graphs.items():
        graph_path = bundle / graph.file
        if not graph_path.is_file():
            raise InvalidBundleError(f"graph {name} is missing: {graph_path}")
        try:
            found = file_sha256(graph_path)
        except OSError as exc:
            raise InvalidBundleError(f"graph {name} is not readable: {graph_path}") from exc
        if found != graph.sha256:
            raise InvalidBundleError(f"graph {name} does not match the hash in {path}")
