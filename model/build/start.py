"""A network's weights, read from the graphs of a bundle: to start training, or to restore it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import torch
from onnx import ModelProto, numpy_helper
from torch import Tensor, nn

from model.build.checkpoint import CheckpointError, PresenceRecord, load_presence
from model.build.folding import unfold
from model.build.graph_names import FP16_WEIGHT_SUFFIX, NETWORK_PREFIX
from model.build.presets import PRESETS, NetworkConfig, build_network
from model.contract import InvalidBundleError, Manifest, load_manifest, read_graph
from model.contract.graphs import GraphName
from model.nets import SDAANet
from model.nets.backbones import Trunk
from model.nets.saam import ContextBranch

_READ: tuple[GraphName, ...] = get_args(GraphName)
# Used in training only: no graph holds them.
_DECODER, _PARAMETERS = "decoder.", (".weight", ".bias")
_TRAINED_WITH = ("saam.support_head.", "decoder.auxiliary_heads.")
_BACKBONE, _REDUCTIONS = "backbone.", "reduce_"


def load_start(network: SDAANet, bundle: Path, *, unseen: Collection[str] = ()) -> tuple[str, ...]:
    """Load the weights of a bundle into a network, in place: every module whose tensors all fit.

    With the same backbone, that is everything but the support and auxiliary heads, which exist only
    in training. If the bundle's backbone is one trunk of the network's, that trunk and everything
    after it are loaded, with zero weights in the reductions for the other trunk. With any other
    backbone, only what comes after the reductions is loaded.

    Args:
        network: with random or pretrained weights.
        bundle: whose fp32 graphs are read.
        unseen: class names that the bundle's training must have excluded.

    Returns:
        The names of what was loaded.

    Raises:
        CheckpointError: not an intact bundle, one with another number of channels, another
            arithmetic or a decoder of another release, or one that may have been trained on an
            unseen class.
    """
    manifest, models = _read(bundle)
    if manifest.gates != "mean":
        raise CheckpointError(f"{bundle} has the reference arithmetic, the network the paper's")
    excluded = () if manifest.training is None else manifest.training.excluded_classes
    seen = sorted(set(unseen) - set(excluded))
    if seen:
        raise CheckpointError(f"{bundle} may have been trained on {', '.join(seen)}")
    channels = network.reduce_query[0].out_channels
    if manifest.channels != channels:
        raise CheckpointError(f"{bundle} has {manifest.channels} channels, the network {channels}")
    return tuple(sorted(_load(network, models)))


def restore_network(bundle: Path) -> tuple[SDAANet, NetworkConfig, PresenceRecord]:
    """The network that a bundle was exported from, its config, and the calibration of presence.

    It predicts what the bundle predicts; modules that exist only in training are random.

    Raises:
        CheckpointError: not an intact bundle, not the paper's arithmetic, or no preset of this
            release.
    """
    manifest, models = _read(bundle)
    if manifest.preset not in PRESETS:
        raise CheckpointError(f"{bundle} has the unknown preset {manifest.preset}")
    if manifest.gates != "mean":
        raise CheckpointError(f"{bundle} is not of the paper's arithmetic")
    preset = PRESETS[manifest.preset]().at_side(manifest.input_side)
    config = replace(preset, max_shot_bytes=manifest.max_shot_bytes)
    network = build_network(config)
    left = {name for name, _ in network.named_parameters()} - _load(network, models)
    if missing := sorted(name for name in left if not name.startswith(_TRAINED_WITH)):
        raise CheckpointError(f"{bundle} does not hold {missing[0]} of {manifest.preset}")
    record = _presence(_constants(models[-1]), manifest)
    if record is None:
        raise CheckpointError(f"{bundle} does not hold the presence score of {manifest.preset}")
    load_presence(network, record)
    return network.eval(), config, record


def _presence(head: Mapping[str, Tensor], manifest: Manifest) -> PresenceRecord | None:
    centre, coefficients = head.get("presence.centre"), head.get("presence.coefficients")
    if centre is None or coefficients is None:
        return None
    # Export leaves out what adds 0.
    intercept = float(head.get("presence.intercept", torch.zeros(())))
    return PresenceRecord(
        centre, coefficients, intercept, manifest.presence_threshold, manifest.presence_growth
    )


def _read(bundle: Path) -> tuple[Manifest, list[ModelProto]]:
    """A bundle's manifest and its fp32 graphs; the head is the last."""
    try:
        manifest = load_manifest(bundle)
        graphs = [read_graph(bundle, manifest.graphs[name]) for name in _READ]
    except InvalidBundleError as exc:
        raise CheckpointError(str(exc)) from exc
    return manifest, [onnx.load_from_string(graph) for graph in graphs]


def _load(network: SDAANet, models: Sequence[ModelProto]) -> set[str]:
    """Load what fits from all graphs; returns the names of the loaded parameters."""
    found: dict[str, Tensor] = {}
    for model in models:
        found |= _weights(network, _constants(model))
    known = network.state_dict()
    for name in found:
        # Its buffers are named, too.
        if name.startswith(_DECODER) and name.endswith(_PARAMETERS) and name not in known:
            raise CheckpointError(f"{name} is of another release: export the bundle again with it")
    with torch.no_grad():
        return _give(network, found)


def _constants(model: ModelProto) -> dict[str, Tensor]:
    """A graph's constants by name, in float32 whatever they are stored in."""
    return {
        # Copied, since the arrays of a graph are read-only.
        constant.name.removesuffix(FP16_WEIGHT_SUFFIX): torch.from_numpy(
            numpy_helper.to_array(constant).astype(np.float32)
        )
        for constant in model.graph.initializer
    }


def _weights(network: SDAANet, constants: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The constants of a graph that belong to the network, by the network's own names."""
    transposed = [
        tensor
        for name, tensor in constants.items()
        if not name.startswith(NETWORK_PREFIX) and tensor.ndim == 4 and tensor.shape[1:3] == (3, 3)
    ]
    named = {
        n.removeprefix(NETWORK_PREFIX): t
        for n, t in constants.items()
        if n.startswith(NETWORK_PREFIX)
    }
    return named | _context_convs(network, transposed)


def _context_convs(network: SDAANet, transposed: list[Tensor]) -> dict[str, Tensor]:
    """SAAM's context convolutions by name; in the graph they are transposed and have lost it."""
    names = [n for n, module in network.named_modules() if isinstance(module, ContextBranch)]
    if len(names) != len(transposed):
        return {}
    return {
        f"{name}.conv.weight": tensor.permute(0, 3, 1, 2)
        for name, tensor in zip(names, transposed, strict=True)
    }


def _give(network: SDAANet, found: Mapping[str, Tensor]) -> set[str]:
    """Copy what fits into the network's modules; returns the names of the copied parameters.

    Backbone and reductions are loaded together or not at all, since reductions work only with the
    backbone they were trained with. Where the bundle's backbone is one trunk of the network's, the
    reductions ignore the other trunks.
    """
    theirs = {n.removeprefix(_BACKBONE): t for n, t in found.items() if n.startswith(_BACKBONE)}
    fitting: dict[str, Tensor] = {}
    reductions: dict[str, Tensor] = {}
    for prefix, trunk in network.backbone.trunks.items():
        ours = _tensors_of(trunk.backbone, recurse=True)
        same = unfold(trunk.backbone, theirs)
        foreign = any(name.endswith(".weight") and name not in ours for name in same)
        if not foreign and _fits(ours, same):
            fitting = {_BACKBONE + prefix + name: same[name] for name in ours}
            reductions = _widened(network, found, trunk)
            break
    found = {n: t for n, t in found.items() if not n.startswith(_REDUCTIONS)} | reductions
    for path, module in network.named_modules():
        own = {f"{path}.{name}": tensor for name, tensor in _tensors_of(module).items()}
        if not path.startswith(_BACKBONE) and _fits(own, found):
            fitting |= {name: found[name] for name in own}
    state = network.state_dict()
    for name, tensor in fitting.items():
        state[name].copy_(tensor)
    return set(fitting) & {name for name, _ in network.named_parameters()}


def _widened(network: SDAANet, found: Mapping[str, Tensor], trunk: Trunk) -> dict[str, Tensor]:
    """A trunk's reductions, with weight 0 for the channels of the other trunks."""
    widened: dict[str, Tensor] = {}
    for name, tensor in found.items():
        if not name.startswith(_REDUCTIONS):
            continue
        if tensor.ndim == 4 and tensor.shape[1] == trunk.backbone.mid_channels:
            narrow, start = tensor, 0
            tensor = narrow.new_zeros(len(narrow), network.backbone.mid_channels, 1, 1)
            for channels in trunk.channels:
                stop = start + channels.stop - channels.start
                tensor[:, channels] = narrow[:, start:stop]
                start = stop
        widened[name] = tensor
    return widened


def _tensors_of(module: nn.Module, *, recurse: bool = False) -> dict[str, Tensor]:
    """A module's own parameters and statistics, or those of all modules in it too."""
    named = module.state_dict().items()
    return {
        name: tensor
        for name, tensor in named
        if (recurse or "." not in name) and not name.endswith("num_batches_tracked")
    }


def _fits(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> bool:
    return all(name in found and found[name].shape == t.shape for name, t in own.items())
