"""ImageNet weights from arrays: what is read, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model.build import PretrainedWeightsError, load_pretrained
from model.build.pretrained import MOBILENET_FILE, PREACT_RESNET_FILE
from model.nets.backbones import (
    Backbone,
    MobileNetV2Backbone,
    PreActResNet50Backbone,
    TwoTrunkBackbone,
)

CASES = [(MobileNetV2Backbone, MOBILENET_FILE), (PreActResNet50Backbone, PREACT_RESNET_FILE)]
Kind = type[MobileNetV2Backbone] | type[PreActResNet50Backbone]


def _arrays(backbone: Backbone) -> dict[str, NDArray[np.float16]]:
    state = backbone.state_dict()
    return {
        name: tensor.numpy().astype(np.float16)
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize(("kind", "file"), CASES)
def test_arrays_become_the_backbones_own(tmp_path: Path, kind: Kind, file: str) -> None:
    torch.manual_seed(0)
    arrays = _arrays(kind())
    np.savez(tmp_path / file, **arrays, **{"last.conv.weight": np.zeros(1)})  # type: ignore[arg-type]
    backbone = kind()
    load_pretrained(backbone, tmp_path)
    state = backbone.state_dict()
    for name, array in arrays.items():
        np.testing.assert_array_equal(state[name].numpy(), array.astype(np.float32), name)


@pytest.mark.parametrize(("kind", "file"), CASES)
def test_a_missing_file_is_named(tmp_path: Path, kind: Kind, file: str) -> None:
    with pytest.raises(PretrainedWeightsError, match=file):
        load_pretrained(kind(), tmp_path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / MOBILENET_FILE).write_bytes(b"PK\x03\x04 not an archive")
    with pytest.raises(PretrainedWeightsError, match="not a readable"):
        load_pretrained(MobileNetV2Backbone(), tmp_path)


def test_another_networks_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / PREACT_RESNET_FILE, **_arrays(MobileNetV2Backbone()))  # type: ignore[arg-type]
    with pytest.raises(PretrainedWeightsError, match="does not hold"):
        load_pretrained(PreActResNet50Backbone(), tmp_path)


def test_two_trunks_have_weights_of_their_own(tmp_path: Path) -> None:
    for kind, file in CASES:
        np.savez(tmp_path / file, **_arrays(kind()))  # type: ignore[arg-type]
    backbone = TwoTrunkBackbone()
    load_pretrained(backbone, tmp_path)
    for trunk, (_, file) in ((backbone.semantic, CASES[0]), (backbone.detail, CASES[1])):
        with np.load(tmp_path / file) as arrays:
            for name in arrays.files:
                found = trunk.state_dict()[name].numpy()
                np.testing.assert_array_equal(found, arrays[name].astype(np.float32), name)


def test_a_trunk_that_has_its_weights_needs_no_file_and_keeps_them(tmp_path: Path) -> None:
    np.savez(tmp_path / PREACT_RESNET_FILE, **_arrays(PreActResNet50Backbone()))  # type: ignore[arg-type]
    backbone = TwoTrunkBackbone()
    given = {f"semantic.{name}" for name, _ in backbone.semantic.named_parameters()}
    before = {name: tensor.clone() for name, tensor in backbone.semantic.state_dict().items()}
    load_pretrained(backbone, tmp_path, given=given)
    for name, tensor in backbone.semantic.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    with pytest.raises(PretrainedWeightsError, match=MOBILENET_FILE):
        load_pretrained(backbone, tmp_path, given=given - {min(given)})
