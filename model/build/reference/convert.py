"""Their tensors → ours, entry by entry.

Four changes are more than another name; each keeps the function:

- Their mid-level feature is concat(stage 3, stage 2), ours concat(stage 2, stage 3).
- SAAM's first convolution and its bottleneck run over concatenations; ours are kept in parts. The
  batch norms of the trunk are folded into the convolutions before them, in float64, with the
  statistics that they have at inference.
- The decoder's convolution over all scales is kept in parts, too.
- Most of their convolutions have no bias; ours is then zero.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from model.build.reference.layout import (
    CONTEXTS,
    COUNTER,
    SCALES,
    STAGE3,
    backbone_name,
)

State = Mapping[str, Tensor]
_NORM_EPSILON = 1e-5

# Our convolution → theirs, where only the name differs.
_RENAMED = {
    "saam.support_head": "s_cls",
    "saam.attention_head": "q_maskgeneration",
    "decoder.residual.convs.0": "res2.0",
    "decoder.residual.convs.2": "res2.2",
    "decoder.head.0": "cls.0",
    "decoder.head.3": "cls.3",
    **{f"decoder.enter.{i}.conv": f"init_merge.{i}.0" for i in range(SCALES)},
    **{f"decoder.merges.{i}.conv": f"alpha_conv.{i}.0" for i in range(SCALES - 1)},
    **{
        f"decoder.refine.{i}.convs.{layer}": f"beta_conv.{i}.{layer}"
        for i in range(SCALES)
        for layer in (0, 2)
    },
    **{
        f"decoder.auxiliary_heads.{i}.{layer}": f"inner_cls.{i}.{layer}"
        for i in range(SCALES)
        for layer in (0, 3)
    },
}


def converted_state(state: State, *, backbone_names: tuple[str, ...]) -> dict[str, Tensor]:
    """A checked state dict of theirs as one of `SDAANet`.

    Args:
        state: names and shapes as in `layout`.
        backbone_names: entries of our ResNet's own state.
    """
    ours = _backbone(state, backbone_names)
    for own, theirs in _RENAMED.items():
        ours |= _renamed(state, own, theirs)
    for own, theirs in (("reduce_query.0", "down_query.0"), ("reduce_support.0", "down_supp.0")):
        ours |= _reduction(state, own, theirs)
    for own, theirs in (("sse.squeeze", "se_supp.0"), ("sse.excite", "se_supp.2")):
        ours[f"{own}.weight"] = state[f"{theirs}.weight"].flatten(1)  # a 1x1 kernel
        ours[f"{own}.bias"] = state[f"{theirs}.bias"]
    ours |= _trunk(state)
    ours |= _join(state)
    return {name: _single(tensor) for name, tensor in ours.items()}


def _backbone(state: State, names: tuple[str, ...]) -> dict[str, Tensor]:
    ours = {}
    for own in names:
        theirs = backbone_name(own)
        # Only the counters of batch norms may be absent; nothing reads them at inference.
        absent = theirs.endswith(COUNTER) and theirs not in state
        ours[f"backbone.net.{own}"] = torch.tensor(0) if absent else state[theirs]
    return ours


def _renamed(state: State, own: str, theirs: str) -> dict[str, Tensor]:
    weight = state[f"{theirs}.weight"]
    bias = state.get(f"{theirs}.bias", weight.new_zeros(len(weight)))
    return {f"{own}.weight": weight, f"{own}.bias": bias}


def _reduction(state: State, own: str, theirs: str) -> dict[str, Tensor]:
    entries = _renamed(state, own, theirs)
    weight = entries[f"{own}.weight"]
    entries[f"{own}.weight"] = torch.cat([weight[:, STAGE3:], weight[:, :STAGE3]], dim=1)
    return entries


def _trunk(state: State) -> dict[str, Tensor]:
    """SAAM's first convolution, its contexts and its bottleneck."""
    first = state["simple_mask.0.weight"]  # (4C, 2C, 3, 3) over concat(feature, prototype)
    wide, channels = len(first), first.shape[1] // 2
    pyramid = "simple_mask.2"
    weight, bias = _folded(state, f"{pyramid}.bottleneck.0", f"{pyramid}.bottleneck.1")
    ours = {
        "saam.feature_conv.weight": first[:, :channels],
        "saam.feature_conv.bias": state["simple_mask.0.bias"],
        "saam.prototype_conv.conv.weight": first[:, channels:],
        "saam.pyramid.feature_conv.weight": weight[:, :wide],
        "saam.pyramid.feature_conv.bias": bias,
    }
    for i in range(CONTEXTS):
        own, stage = f"saam.pyramid.branches.{i}", f"{pyramid}.stages.{i}"
        start = wide + i * channels
        ours[f"{own}.conv.weight"] = weight[:, start : start + channels]
        reduction = _folded(state, f"{stage}.1", f"{stage}.2")
        ours[f"{own}.reduce.weight"], ours[f"{own}.reduce.bias"] = reduction
    return ours


def _join(state: State) -> dict[str, Tensor]:
    """The decoder's convolution over all scales, in parts."""
    whole = _renamed(state, "decoder.join.0", "res1.0")
    parts = whole["decoder.join.0.weight"].chunk(SCALES, dim=1)
    return whole | {f"decoder.join.{i}.weight": part for i, part in enumerate(parts)}


def _folded(state: State, conv: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution without bias and the batch norm behind it."""
    weight = state[f"{conv}.weight"].double()
    gain, shift, mean, variance = (
        state[f"{norm}.{part}"].double()
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gain / (variance + _NORM_EPSILON).sqrt()
    return weight * factor[:, None, None, None], shift - mean * factor


def _single(tensor: Tensor) -> Tensor:
    """A copy in float32 with memory of its own; counters stay integers."""
    return tensor.float().clone() if tensor.is_floating_point() else tensor.clone()
