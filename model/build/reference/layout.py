"""Names and shapes in a state dict of the authors' code (their `model/SDAANet.py`).

Their module names come from PFENet (`down_query`, `init_merge`, `beta_conv` …), to which they add
`se_supp` (SSE), `simple_mask` (trunk of SAAM, with a PSPNet module), `s_cls` and
`q_maskgeneration` (its two heads). The backbone is torchvision's ResNet with its 7x7 stem, which
they keep as `layer0`; PFENet's own ResNet has a stem of three 3x3 convolutions and does not fit.
"""

from collections.abc import Mapping

from torch import Tensor

from model.build.checkpoint import CheckpointError

Shape = tuple[int, ...]

SCALES = 4
CONTEXTS = 4
STAGE2, STAGE3 = 512, 1024
COUNTER = "num_batches_tracked"
_NAMED_IN_MESSAGE = 4

# Their name of a part of the backbone → its name in torchvision's ResNet.
BACKBONE_PARTS = {
    "layer0.0": "conv1",
    "layer0.1": "bn1",
    **{f"layer{stage}": f"layer{stage}" for stage in range(1, 5)},
}


class ReferenceStateError(CheckpointError):
    """A state dict is not one of the authors' networks.

    Attributes:
        missing: names that should be there.
        unexpected: names that should not.
        misshapen: name → (found, expected) shape.
    """

    def __init__(
        self,
        message: str,
        *,
        missing: tuple[str, ...] = (),
        unexpected: tuple[str, ...] = (),
        misshapen: Mapping[str, tuple[Shape, Shape]] | None = None,
    ) -> None:
        super().__init__(message)
        self.missing = missing
        self.unexpected = unexpected
        self.misshapen = dict(misshapen or {})


def backbone_name(own: str) -> str:
    """Their name of an entry of torchvision's ResNet."""
    for theirs, ours in BACKBONE_PARTS.items():
        if own.startswith(f"{ours}."):
            return theirs + own.removeprefix(ours)
    raise ValueError(f"{own} is no entry of a ResNet without its classifier")


def head_shapes(channels: int, gate_ratio: int) -> dict[str, Shape]:
    """Every entry behind the backbone, for C channels."""
    c, wide, hidden = channels, 4 * channels, channels // gate_ratio
    shapes: dict[str, Shape] = {
        "down_query.0.weight": (c, STAGE3 + STAGE2, 1, 1),
        "down_supp.0.weight": (c, STAGE3 + STAGE2, 1, 1),
        **_conv("se_supp.0", hidden, c),
        **_conv("se_supp.2", c, hidden),
        **_conv("simple_mask.0", wide, 2 * c, 3),
        "simple_mask.2.bottleneck.0.weight": (c, wide + CONTEXTS * c, 3, 3),
        **_norm("simple_mask.2.bottleneck.1", c),
        **_conv("s_cls", 2, c),
        **_conv("q_maskgeneration", 1, c),
        "res1.0.weight": (c, SCALES * c, 1, 1),
        "res2.0.weight": (c, c, 3, 3),
        "res2.2.weight": (c, c, 3, 3),
        **_classifier("cls", c),
    }
    for i in range(CONTEXTS):
        shapes[f"simple_mask.2.stages.{i}.1.weight"] = (c, wide, 1, 1)
        shapes |= _norm(f"simple_mask.2.stages.{i}.2", c)
    for i in range(SCALES):
        shapes[f"init_merge.{i}.0.weight"] = (c, 2 * c + 2, 1, 1)
        shapes |= {f"beta_conv.{i}.{layer}.weight": (c, c, 3, 3) for layer in (0, 2)}
        shapes |= _classifier(f"inner_cls.{i}", c)
    for i in range(SCALES - 1):
        shapes[f"alpha_conv.{i}.0.weight"] = (c, 2 * c, 1, 1)
    return shapes


def check_layout(state: Mapping[str, Tensor], expected: Mapping[str, Shape]) -> None:
    """Raise `ReferenceStateError` unless the names and shapes are those expected.

    The counters of batch norms may be absent: releases of torch before 0.4.1 wrote none.
    """
    missing = tuple(n for n in expected if n not in state and not n.endswith(COUNTER))
    unexpected = tuple(name for name in state if name not in expected)
    misshapen = {
        name: (tuple(state[name].shape), shape)
        for name, shape in expected.items()
        if name in state and tuple(state[name].shape) != shape
    }
    faults = [
        _listed("missing", missing),
        _listed("unexpected", unexpected),
        _listed(
            "of another shape",
            [f"{n} {found} instead of {want}" for n, (found, want) in misshapen.items()],
        ),
    ]
    if missing or unexpected or misshapen:
        raise ReferenceStateError(
            "not a state dict of SD-AANet's authors; " + "; ".join(filter(None, faults)),
            missing=missing,
            unexpected=unexpected,
            misshapen=misshapen,
        )


def _listed(kind: str, names: tuple[str, ...] | list[str]) -> str:
    if not names:
        return ""
    more = len(names) - _NAMED_IN_MESSAGE
    tail = f" and {more} more" if more > 0 else ""
    return f"{kind}: {', '.join(names[:_NAMED_IN_MESSAGE])}{tail}"


def _conv(name: str, outputs: int, inputs: int, kernel: int = 1) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def _norm(name: str, channels: int) -> dict[str, Shape]:
    vectors = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (channels,) for part in vectors}, f"{name}.{COUNTER}": ()}


def _classifier(name: str, channels: int) -> dict[str, Shape]:
    return {f"{name}.0.weight": (channels, channels, 3, 3), **_conv(f"{name}.3", 2, channels)}
