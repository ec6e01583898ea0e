"""A network's weights, read back out of a bundle's graphs: to start from, or as it was."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, numpy_helper
from torch import Tensor, nn

from model.build.checkpoint import CheckpointError, PresenceRecord
from model.build.presets import PRESETS, NetworkConfig, build_network
from model.contract import InvalidBundleError, Manifest, load_manifest, read_graph
from model.contract.manifest import GraphName
from model.nets import SDAANet
from model.nets.backbones import Backbone
from model.nets.saam import UpsampledConv

# How export names a network's tensors. A tensor that a bundle keeps in half precision has a suffix;
# the bias of a convolution that took in the batch norm behind it has another.
_PREFIX = "network."
HALVED_SUFFIX = ".half"
_FOLDED_SUFFIX = "_bias"
_READ: tuple[GraphName, ...] = ("encoder", "prototype", "head")
# Only training has them: no graph holds them.
_TRAINED_WITH = ("saam.support_head.", "decoder.auxiliary_heads.")
# A batch norm that scales a channel by less cannot be divided out of a folded convolution.
_LEAST_SCALE = 1e-2
_WATCHED_SIDE = 65


def load_start(network: SDAANet, bundle: Path, *, unseen: Collection[str] = ()) -> tuple[str, ...]:
    """Give a network the weights of a bundle, in place: every module whose tensors all fit.

    Of a bundle with the same backbone that is everything but the support and auxiliary heads, which
    only training has; of another backbone it is what lies behind the reductions. A batch norm that
    export folded into the convolution before it is divided out again, so that the pair computes the
    same.

    Args:
        network: with random or pretrained weights.
        bundle: whose fp32 graphs are read.
        unseen: names that the bundle's own training must have left out.

    Returns:
        The names of what was loaded.

    Raises:
        CheckpointError: no intact bundle, one of other channels, or it has seen an unseen class.
    """
    manifest, models = _read(bundle)
    excluded = () if manifest.training is None else manifest.training.excluded_classes
    seen = sorted(set(unseen) - set(excluded))
    if seen:
        raise CheckpointError(f"{bundle} may have been trained on {', '.join(seen)}")
    channels = network.reduce_query[0].out_channels
    if manifest.channels != channels:
        raise CheckpointError(f"{bundle} has {manifest.channels} channels, the network {channels}")
    found: dict[str, Tensor] = {}
    for model in models:
        found |= _weights(network, _constants(model))
    with torch.no_grad():
        return tuple(sorted(_give(network, found)))


def restore_network(bundle: Path) -> tuple[SDAANet, NetworkConfig, PresenceRecord]:
    """The network that a bundle was exported from, its config, and how its presence was calibrated.

    It answers as the bundle does, if that is of the paper's arithmetic. What only training has is
    random.

    Raises:
        CheckpointError: no intact bundle, or not one of a preset of this release.
    """
    manifest, models = _read(bundle)
    if manifest.preset not in PRESETS:
        raise CheckpointError(f"{bundle} has the unknown preset {manifest.preset}")
    config = PRESETS[manifest.preset]().at_side(manifest.input_side)
    network = build_network(config)
    left = {name for name, _ in network.named_parameters()} - set(load_start(network, bundle))
    if missing := sorted(name for name in left if not name.startswith(_TRAINED_WITH)):
        raise CheckpointError(f"{bundle} does not hold {missing[0]} of {manifest.preset}")
    head = _constants(models[-1])
    record = PresenceRecord(
        centre=head["presence.centre"],
        coefficients=head["presence.coefficients"],
        intercept=float(head["presence.intercept"]),
        threshold=manifest.presence_threshold,
    )
    return network.eval(), config, record


def _read(bundle: Path) -> tuple[Manifest, list[ModelProto]]:
    """A bundle's manifest and its fp32 graphs; the head is the last."""
    try:
        manifest = load_manifest(bundle)
        graphs = [read_graph(bundle, manifest.graphs[name]) for name in _READ]
    except InvalidBundleError as exc:
        raise CheckpointError(str(exc)) from exc
    return manifest, [onnx.load_from_string(graph) for graph in graphs]


def _constants(model: ModelProto) -> dict[str, Tensor]:
    """A graph's constants by name, whatever precision they are kept in."""
    return {
        # A copy: the array of the graph cannot be written.
        constant.name.removesuffix(HALVED_SUFFIX): torch.from_numpy(
            numpy_helper.to_array(constant).astype(np.float32)
        )
        for constant in model.graph.initializer
    }


def _weights(network: SDAANet, constants: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What of a graph's constants is the network's, by the network's own names."""
    transposed = [
        tensor
        for name, tensor in constants.items()
        if not name.startswith(_PREFIX) and tensor.ndim == 4 and tensor.shape[1:3] == (3, 3)
    ]
    named = {n.removeprefix(_PREFIX): t for n, t in constants.items() if n.startswith(_PREFIX)}
    return named | _context_convs(network, transposed)


def _context_convs(network: SDAANet, transposed: list[Tensor]) -> dict[str, Tensor]:
    """SAAM's, which export keeps transposed and without a name, in the order of the branches."""
    names = [n for n, module in network.named_modules() if isinstance(module, UpsampledConv)]
    if len(names) != len(transposed):
        return {}
    return {
        f"{name}.conv.weight": tensor.permute(0, 3, 1, 2)
        for name, tensor in zip(names, transposed, strict=True)
    }


def _give(network: SDAANet, found: Mapping[str, Tensor]) -> set[str]:
    """Copy what fits into the network's modules; the backbone fits as a whole or not at all."""
    modules = dict(network.named_modules())
    fitting = {path for path, module in modules.items() if _fits(path, module, found)}
    behind = _norms_behind(network.backbone)
    folded = {module: path for path, module in modules.items() if module in behind.values()}
    own = {path for path in modules if path.startswith("backbone.")}
    missing = {path for path in own - fitting - set(folded.values()) if _tensors_of(modules[path])}
    given = set[str]()
    for path in sorted(fitting - own if missing else fitting):
        module = modules[path]
        for name, tensor in _tensors_of(module).items():
            tensor.copy_(found[f"{path}.{name}"])
            given.add(f"{path}.{name}")
        bias = found.get(f"{path}.weight{_FOLDED_SUFFIX}")
        if bias is not None and isinstance(module, nn.Conv2d):
            norm = behind[module]
            _unfold(module, norm, bias)
            given |= {f"{folded[norm]}.{name}" for name in ("weight", "bias")}
    return given & {name for name, _ in network.named_parameters()}


def _tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """A module's own, without those of the modules in it."""
    named = module.state_dict().items()
    return {name: t for name, t in named if "." not in name and name != "num_batches_tracked"}


def _fits(path: str, module: nn.Module, found: Mapping[str, Tensor]) -> bool:
    shapes = {f"{path}.{name}": tensor.shape for name, tensor in _tensors_of(module).items()}
    return all(name in found and found[name].shape == shape for name, shape in shapes.items())


def _unfold(conv: nn.Conv2d, norm: nn.BatchNorm2d, bias: Tensor) -> None:
    """Divide a convolution's weight by the scale of its norm, and let the norm give the rest."""
    deviation = (norm.get_buffer("running_var") + norm.eps).sqrt()
    scale = norm.weight / deviation
    scale = torch.where(scale.abs() < _LEAST_SCALE, 1.0, scale)
    conv.weight /= scale[:, None, None, None]
    norm.weight.copy_(scale * deviation)
    norm.bias.copy_(bias + scale * norm.get_buffer("running_mean"))


def _norms_behind(backbone: Backbone) -> dict[nn.Conv2d, nn.BatchNorm2d]:
    """Which batch norm takes which convolution's output, seen while an image passes."""
    made: dict[int, nn.Conv2d] = {}
    living: list[Tensor] = []  # among which an id is unique
    pairs: dict[nn.Conv2d, nn.BatchNorm2d] = {}

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            made[id(output)] = module
            living.append(output)
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
            pairs[made[id(inputs[0])]] = module

    hooks = [module.register_forward_hook(watch) for module in backbone.modules()]
    training = backbone.training
    try:
        backbone.eval().features(torch.zeros(1, 3, _WATCHED_SIDE, _WATCHED_SIDE))
    finally:
        backbone.train(training)
        for hook in hooks:
            hook.remove()
    return pairs
