"""ImageNet weights for the backbones."""

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import cast
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor
from torchvision.models import ResNet50_Weights, ResNet101_Weights, VGG16_BN_Weights, WeightsEnum

from model.nets.backbones import (
    Backbone,
    MobileNetV2Backbone,
    PreActResNet50Backbone,
    ResNetBackbone,
    VGGBackbone,
)

MOBILENET_FILE = "mobilenet_v2_imagenet.npz"
PREACT_RESNET_FILE = "resnet50_v2_imagenet_stages123.npz"


class PretrainedWeightsError(RuntimeError):
    """ImageNet weights are not available here; the message names the file to place."""


def load_pretrained(backbone: Backbone, weights_dir: Path, *, given: Collection[str] = ()) -> None:
    """Load ImageNet weights into the trunks of a backbone, in place.

    MobileNetV2 and the pre-activation ResNet read `MOBILENET_FILE` and `PREACT_RESNET_FILE` in
    `weights_dir`. The others use torchvision's weights enum, which looks in torch's hub cache and
    downloads what is not there.

    Args:
        backbone: of one trunk or several.
        weights_dir: folder of the files.
        given: names of the parameters that are loaded already; a trunk with all of its parameters
            loaded is left as it is and needs no file.

    Raises:
        PretrainedWeightsError: the file is missing, damaged, or cannot be downloaded.
    """
    for prefix, (trunk, _) in backbone.trunks.items():
        names = {prefix + name for name, _ in trunk.named_parameters()}
        if not names <= set(given):
            _load_trunk(trunk, weights_dir)


def _load_trunk(backbone: Backbone, weights_dir: Path) -> None:
    """Load into a backbone of one trunk; a backbone of several has no weights of its own."""
    if isinstance(backbone, MobileNetV2Backbone):
        _load_arrays(backbone, weights_dir / MOBILENET_FILE)
    elif isinstance(backbone, PreActResNet50Backbone):
        _load_arrays(backbone, weights_dir / PREACT_RESNET_FILE)
    elif isinstance(backbone, ResNetBackbone):
        enum = ResNet50_Weights if len(backbone.net.layer3) == 6 else ResNet101_Weights
        state = _torchvision_state(enum.IMAGENET1K_V1)
        backbone.net.load_state_dict(
            {key: value for key, value in state.items() if not key.startswith("fc.")}
        )
    elif isinstance(backbone, VGGBackbone):
        _load_vgg(backbone, _torchvision_state(VGG16_BN_Weights.IMAGENET1K_V1))


def _load_arrays(backbone: Backbone, path: Path) -> None:
    """Arrays by the names of the backbone's own state; float16 ones are widened."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            state = {
                key: torch.from_numpy(arrays[key]).float()
                for key in arrays.files
                if not key.startswith("last.")  # MobileNetV2's layer behind the last block
            }
    except FileNotFoundError as exc:
        raise PretrainedWeightsError(f"place the backbone's ImageNet weights at {path}") from exc
    except (OSError, ValueError, zipfile.BadZipFile) as exc:
        raise PretrainedWeightsError(f"{path} is not a readable weights file") from exc
    expected = {key for key in backbone.state_dict() if not key.endswith("num_batches_tracked")}
    if expected != set(state):
        raise PretrainedWeightsError(f"{path} does not hold the backbone's arrays")
    backbone.load_state_dict(state, strict=False)


def _load_vgg(backbone: VGGBackbone, state: dict[str, Tensor]) -> None:
    groups = [backbone.low, backbone.group3, backbone.group4, backbone.group5]
    offset = 0
    for group in groups:
        own = {}
        for key in group.state_dict():
            index, name = key.split(".", 1)
            if name != "num_batches_tracked":  # older files have none
                own[key] = state[f"features.{int(index) + offset}.{name}"]
        group.load_state_dict(own, strict=False)
        # The fourth pooling layer is left out before the last group.
        offset += len(group) + (1 if group is backbone.group4 else 0)


def _torchvision_state(weights: WeightsEnum) -> dict[str, Tensor]:
    try:
        return cast(dict[str, Tensor], weights.get_state_dict(progress=True, check_hash=True))
    except (URLError, OSError, RuntimeError) as exc:
        file = str(weights.url).rsplit("/", 1)[-1]
        place = Path(torch.hub.get_dir()) / "checkpoints" / file
        raise PretrainedWeightsError(
            f"{weights} could not be downloaded; place {file} at {place}"
        ) from exc
