"""Network presets and the builder."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from model.nets import SDAANet
from model.nets.backbones import (
    Backbone,
    MobileNetV2Backbone,
    ResNetBackbone,
    TwoTrunkBackbone,
    VGGBackbone,
)
from model.nets.preprocess import Normalise

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def imagenet_normalise() -> Normalise:
    """The normalisation that backbones with ImageNet weights expect."""
    return Normalise(mean=IMAGENET_MEAN, std=IMAGENET_STD)


BackboneName = Literal["mobilenet_v2", "two_trunks", "resnet50", "resnet101", "vgg16_bn"]

Arithmetic = Literal["paper", "reference"]
Rounding = Literal["up", "down"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Sizes and parts of a network. `input_side` may differ between training and evaluation.

    The parts are switched off for ablations alone; what is served has all of them.

    `reference` arithmetic is that of the authors' code, for weights imported from it
    (docs/adr/0009); it samples binary masks, whatever `mask_resize` says.
    Decoder scales are rounded up to 60, 30, 15 and 8 of 60, or down to 7 for the last.
    A served class keeps at most `max_shot_bytes` of each shot.
    """

    preset: str
    backbone: BackboneName
    input_side: int
    channels: int
    reduction_dropout: float
    head_dropout: float
    gate_ratio: int = 4
    context_bins: tuple[int, ...] = (1, 2, 3, 6)
    mask_resize: Literal["bilinear", "area"]
    use_saam: bool = True
    use_sdpm: bool = True
    use_prior: bool = True
    arithmetic: Arithmetic = "paper"
    decoder_rounding: Rounding = "up"
    max_shot_bytes: int = 3_000_000

    def at_side(self, input_side: int) -> "NetworkConfig":
        """The same network for another input side."""
        return replace(self, input_side=input_side)


def r50() -> NetworkConfig:
    """The paper's ResNet-50 network at its evaluation size (section IV-A)."""
    return NetworkConfig(
        preset="r50",
        backbone="resnet50",
        input_side=473,
        channels=256,
        reduction_dropout=0.5,
        head_dropout=0.1,
        mask_resize="bilinear",
    )


def r101() -> NetworkConfig:
    """The paper's ResNet-101 network."""
    return replace(r50(), preset="r101", backbone="resnet101")


def vgg16() -> NetworkConfig:
    """The paper's VGG-16 network."""
    return replace(r50(), preset="vgg16", backbone="vgg16_bn")


def lite() -> NetworkConfig:
    """MobileNetV2 at output stride 16 and half the channels, for serving on CPUs."""
    return NetworkConfig(
        preset="lite",
        backbone="mobilenet_v2",
        input_side=337,
        channels=128,
        reduction_dropout=0.1,
        head_dropout=0.1,
        mask_resize="area",
        max_shot_bytes=256_000,
    )


def base() -> NetworkConfig:
    """A pre-activation ResNet-50 beside the trunk of `lite`, at output stride 8."""
    return replace(lite(), preset="base", backbone="two_trunks", input_side=257)


PRESETS = {"r50": r50, "r101": r101, "vgg16": vgg16, "lite": lite, "base": base}


def build_network(config: NetworkConfig, *, mask_side: int | None = None) -> SDAANet:
    """Build a network with random weights.

    Args:
        config: its sizes.
        mask_side: side of the input masks, pixels; by default the input side.

    Raises:
        ValueError: no such backbone, or an input side that it cannot take.
    """
    reference = config.arithmetic == "reference"
    backbone = _backbone(config.backbone, dilated_entries=reference)
    side = backbone.feature_side(config.input_side)
    return SDAANet(
        backbone=backbone,
        input_side=config.input_side,
        channels=config.channels,
        reduction_dropout=config.reduction_dropout,
        head_dropout=config.head_dropout,
        gate_ratio=config.gate_ratio,
        context_bins=config.context_bins,
        decoder_bins=decoder_bins(side, config.decoder_rounding),
        mask_resize="binary" if reference else config.mask_resize,
        mask_side=mask_side or config.input_side,
        use_saam=config.use_saam,
        use_sdpm=config.use_sdpm,
        use_prior=config.use_prior,
        reference=reference,
    )


def decoder_bins(side: int, rounding: Rounding = "up") -> tuple[int, ...]:
    """1, 1/2, 1/4 and 1/8 of the feature side: 60, 30, 15 and 8 at 473 px, or 7 rounded down."""
    if rounding == "down":
        return tuple(side // divisor for divisor in (1, 2, 4, 8))
    return tuple(-(-side // divisor) for divisor in (1, 2, 4, 8))


def _backbone(name: BackboneName, *, dilated_entries: bool) -> Backbone:
    match name:
        case "mobilenet_v2":
            return MobileNetV2Backbone()
        case "two_trunks":
            return TwoTrunkBackbone()
        case "resnet50":
            return ResNetBackbone(depth=50, dilated_entries=dilated_entries)
        case "resnet101":
            return ResNetBackbone(depth=101, dilated_entries=dilated_entries)
        case "vgg16_bn":
            return VGGBackbone()
        case _:
            raise ValueError(
                f"there is no backbone {name}: there are {', '.join(get_args(BackboneName))}"
            )
