"""A head to start training from, read back out of a bundle's graphs."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from model.build.checkpoint import CheckpointError
from model.contract import InvalidBundleError, load_manifest, read_graph
from model.contract.manifest import GraphName
from model.nets import SDAANet

# How export names a network's tensors; what it folds or makes anew goes by other names. A tensor
# that a bundle keeps in half precision has a suffix.
_PREFIX = "network."
HALVED_SUFFIX = ".half"
_READ: tuple[GraphName, ...] = ("prototype", "head")


def load_head(network: SDAANet, bundle: Path, *, unseen: Collection[str] = ()) -> tuple[str, ...]:
    """Give a network the head of a bundle, in place: every tensor behind the backbone that fits.

    The encoder's graph, with the reductions of the backbone's channels, is not read. The support
    and auxiliary heads, which only training has, and SAAM's context convolutions, which export
    folds, are in no graph.

    Args:
        network: with random weights.
        bundle: whose fp32 graphs are read.
        unseen: names that the bundle's own training must have left out.

    Returns:
        The names of what was loaded.

    Raises:
        CheckpointError: no intact bundle, one of other channels, or it has seen an unseen class.
    """
    try:
        manifest = load_manifest(bundle)
        graphs = [read_graph(bundle, manifest.graphs[name]) for name in _READ]
    except InvalidBundleError as exc:
        raise CheckpointError(str(exc)) from exc
    excluded = () if manifest.training is None else manifest.training.excluded_classes
    seen = sorted(set(unseen) - set(excluded))
    if seen:
        raise CheckpointError(f"{bundle} may have been trained on {', '.join(seen)}")
    channels = network.reduce_query[0].out_channels
    if manifest.channels != channels:
        raise CheckpointError(f"{bundle} has {manifest.channels} channels, the network {channels}")
    own = dict(network.named_parameters())
    fitting = {
        name: tensor
        for graph in graphs
        for name, tensor in _tensors(graph)
        if name in own and own[name].shape == tensor.shape
    }
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
    return tuple(sorted(fitting))


def _tensors(graph: bytes) -> Iterator[tuple[str, Tensor]]:
    """A graph's constants by the names of the network's own."""
    for constant in onnx.load_from_string(graph).graph.initializer:
        if constant.name.startswith(_PREFIX):
            # A copy: the array of the graph cannot be written.
            array = numpy_helper.to_array(constant).astype(np.float32)
            name = constant.name.removeprefix(_PREFIX).removesuffix(HALVED_SUFFIX)
            yield name, torch.from_numpy(array)
