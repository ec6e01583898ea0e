"""One small bundle, exported once for every test of the room."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor, nn

from export import bundle as bundle_module
from export.bundle import ExportOptions, export_bundle
from export.convert import convert
from model.build import PRESETS, random_network, write_checkpoint
from model.contract import GraphSpec
from model.data.folds import excluded_names, fold_classes
from tests.export.exported import Exported


@pytest.fixture(scope="session", autouse=True)
def _one_conversion() -> Iterator[None]:
    """Convert a graph, which takes seconds, once for all exports of the same network."""
    made: dict[str, bytes] = {}

    def once(graph: nn.Module, spec: GraphSpec, example: tuple[Tensor, ...], path: Path) -> None:
        key = _fingerprint(graph, example)
        if key in made:
            path.write_bytes(made[key])
        else:
            convert(graph, spec, example, path)
            made[key] = path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_module, "convert", once)
        yield


def _fingerprint(graph: nn.Module, example: tuple[Tensor, ...]) -> str:
    """Of everything that makes an ONNX file what it is: layers, weights, shapes and arithmetic."""
    network = graph.get_submodule("network")
    shapes = [tuple(tensor.shape) for tensor in example]
    digest = hashlib.sha256(f"{graph} {network.reference} {shapes}".encode())
    for name, tensor in graph.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Lite at 97 pixels, with a training record that leaves out fold 0."""
    folder = tmp_path_factory.mktemp("export")
    config = PRESETS["lite"]().at_side(97)
    network, state = random_network(config, seed=0)
    training = {"seed": 3, "stages": [{"steps": 4, "batch": 2}, {"steps": 4, "batch": 8}]}
    point = {"step": 2.0, "main": 0.5, "auxiliary": 0.4, "support": 0.3, "distillation": 0.1}
    progress = {
        "step": 6,
        "episodes": 24,
        "minutes": 1.5,
        "data": ["tiny: 8 images"],
        "excluded": sorted(excluded_names(fold_classes(0))),
        "curve": [point],
        "training": json.dumps(training),
    }
    familiar = {"centre": [0.125] * network.backbone.high_channels, "distance": 0.5}
    more = {"progress": progress, "familiar": familiar}
    write_checkpoint(folder / "checkpoint.pt", state | more)
    manifest = export_bundle(
        ExportOptions(
            checkpoint=folder / "checkpoint.pt",
            out=folder / "tiny",
            name="tiny",
            revision="1",
            parity_episodes=4,
        )
    )
    return Exported(network, manifest, folder / "tiny", folder / "checkpoint.pt")
