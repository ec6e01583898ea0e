"""A network's weights, read back out of a bundle's graphs: to start from, or as it was."""

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
from model.contract.manifest import GraphName
from model.nets import SDAANet
from model.nets.backbones import Trunk
from model.nets.saam import UpsampledConv

_READ: tuple[GraphName, ...] = get_args(GraphName)
# Only training has them: no graph holds them.
_TRAINED_WITH = ("saam.support_head.", "decoder.auxiliary_heads.")
_BACKBONE, _REDUCTIONS = "backbone.", "reduce_"


def load_start(network: SDAANet, bundle: Path, *, unseen: Collection[str] = ()) -> tuple[str, ...]:
    """Give a network the weights of a bundle, in place: every module whose tensors all fit.

    If the bundle has the same backbone, that is everything but the support and auxiliary heads,
    which only training has. If its backbone is one trunk of the network's, it is that trunk and
    what lies behind, where the reductions then see no other trunk. With any other backbone it is
    only what lies behind the reductions.

    Args:
        network: with random or pretrained weights.
        bundle: whose fp32 graphs are read.
        unseen: names that the bundle's own training must have left out.

    Returns:
        The names of what was loaded.

    Raises:
        CheckpointError: no intact bundle, one of other channels or arithmetic, or it has seen an
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
    """The network that a bundle was exported from, its config, and how its presence was calibrated.

    It answers as the bundle does. What only training has is random.

    Raises:
        CheckpointError: no intact bundle, or not one of the paper's arithmetic and a preset of this
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
    """Give a network what fits of all graphs; returns the names of the parameters given."""
    found: dict[str, Tensor] = {}
    for model in models:
        found |= _weights(network, _constants(model))
    with torch.no_grad():
        return _give(network, found)


def _constants(model: ModelProto) -> dict[str, Tensor]:
    """A graph's constants by name, whatever precision they are kept in."""
    return {
        # A copy: the array of the graph cannot be written.
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
    """SAAM's context convolutions by branch; export leaves them transposed and without a name."""
    names = [n for n, module in network.named_modules() if isinstance(module, UpsampledConv)]
    if len(names) != len(transposed):
        return {}
    return {
        f"{name}.conv.weight": tensor.permute(0, 3, 1, 2)
        for name, tensor in zip(names, transposed, strict=True)
    }


def _give(network: SDAANet, found: Mapping[str, Tensor]) -> set[str]:
    """Copy what fits into the network's modules; returns the names of the parameters copied.

    Backbone and reductions fit together or not at all, since the features of one backbone mean
    nothing to the reductions of another. Where the bundle's backbone is one trunk of the network's,
    the reductions see that trunk alone.
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
    """A trunk's reductions for the channels of the whole backbone, 0 for those of other trunks."""
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
