"""Names, axes and dtypes of every tensor that enters or leaves a bundle's graphs.

Axes: B images, S input side, C reduced channels, D high-level channels, h = w feature side,
P (image, class) pairs, K shots (padded), T foreground tokens of a shot (padded), F = 2C channels
of a cell, R = F + 2 numbers of a refit.
Integers are fixed sizes; letters S, C, D, h, and so F and R, are fixed by the manifest
(`Manifest.axes`); B, P, K, T are dynamic.
"""

from typing import Literal, NamedTuple

DYNAMIC_AXES = frozenset("BPKT")
GraphName = Literal["encoder", "prototype", "head"]


class TensorSpec(NamedTuple):
    """A tensor of a graph: its name, axes and NumPy dtype."""

    name: str
    axes: tuple[str | int, ...]
    dtype: str = "float32"


class GraphSpec(NamedTuple):
    """A graph of a bundle: its name, inputs and outputs, in order."""

    name: GraphName
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


_SUPPORT_FEATURE = TensorSpec("support_feature", ("B", "C", "h", "h"))
_QUERY_FEATURE = TensorSpec("query_feature", ("B", "C", "h", "h"))
_HIGH_FEATURE = TensorSpec("high_feature", ("B", "D", "h", "h"))
_MASK = TensorSpec("mask", ("B", "S", "S"))

ENCODER = GraphSpec(
    "encoder",
    # Pixels as decoded, 0-255; normalisation is inside. Mask: share of object, ones for queries.
    inputs=(TensorSpec("image", ("B", "S", "S", 3), "uint8"), _MASK),
    outputs=(_SUPPORT_FEATURE, _QUERY_FEATURE, _HIGH_FEATURE),
)
PROTOTYPE = GraphSpec(
    "prototype",
    inputs=(_SUPPORT_FEATURE, _HIGH_FEATURE, _MASK),
    outputs=(
        TensorSpec("affinity", ("B", "C")),
        TensorSpec("guided", ("B", "C")),
        TensorSpec("gate", ("B", "C")),
        # Every position's L2-normalised high-level feature, and which of them are foreground.
        TensorSpec("tokens", ("B", "hh", "D")),
        TensorSpec("foreground", ("B", "hh"), "bool"),
    ),
)
HEAD = GraphSpec(
    "head",
    inputs=(
        _QUERY_FEATURE,
        _HIGH_FEATURE,
        # Which image each pair asks about, so that an image is encoded once for all its classes.
        TensorSpec("image_index", ("P",), "int64"),
        TensorSpec("affinity", ("P", "C")),
        TensorSpec("guided", ("P", "C")),
        TensorSpec("gate", ("P", "C")),
        # In half precision, as they are kept: the graph widens them, faster than the host would.
        TensorSpec("tokens", ("P", "K", "T", "D"), "float16"),
        TensorSpec("token_valid", ("P", "K", "T"), "bool"),
        # How much of the network's own logit stays, a bias, and a weight for each channel of a
        # cell; see `model.runtime.refit`.
        TensorSpec("refit", ("P", "R")),
        # The mean over the shots of each one's mean token, in near views of its object.
        TensorSpec("identity", ("P", "D")),
    ),
    # Foreground logit minus background logit at feature resolution; sigmoid gives the probability.
    # Networks in the reference arithmetic (docs/adr/0009) give it at the input side: (P, S, S).
    outputs=(
        TensorSpec("logits", ("P", "h", "h")),
        # Chance in (0, 1) that the image holds the class at all. It grows with the number of
        # shots, which the runtime takes off, see `Manifest.presence_growth`.
        TensorSpec("presence", ("P",)),
        # What a refit is fitted on: the decoder's last feature and the query feature.
        TensorSpec("cells", ("P", "F", "h", "h")),
    ),
)
GRAPHS = (ENCODER, PROTOTYPE, HEAD)
