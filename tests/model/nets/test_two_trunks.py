"""Two trunks as one backbone: where each one's feature lies, and which sides go."""

import pytest
import torch

from model.nets.backbones import TwoTrunkBackbone
from model.nets.pooling import upsample


def test_each_trunk_gives_its_own_feature() -> None:
    torch.manual_seed(0)
    backbone = TwoTrunkBackbone().eval()
    image = torch.randn(2, 3, 65, 65)
    with torch.inference_mode():
        features = backbone.features(image)
        assert features.mid.shape == (2, backbone.mid_channels, 9, 9)
        seen = 0
        for trunk, channels in backbone.trunks.values():
            alone = upsample(trunk.features(image).mid, 9)
            own = torch.cat([features.mid[:, part] for part in channels], dim=1)
            torch.testing.assert_close(own, alone)
            seen += own.shape[1]
        high = backbone.high(features.stage3)
        semantic = backbone.semantic.features(image).stage3
    assert seen == 2 * backbone.mid_channels  # the whole backbone, and its parts
    torch.testing.assert_close(high, upsample(semantic, 9))


def test_what_is_behind_the_cut_is_trained_in_both() -> None:
    backbone = TwoTrunkBackbone()
    deep = set(backbone.deep_parameters())
    image = torch.randn(1, 3, 33, 33)
    with torch.no_grad():
        shallow = backbone.shallow(image)
    backbone.deep(shallow).sum().backward()  # type: ignore[no-untyped-call]
    trained = {p for p in backbone.parameters() if p.grad is not None}
    assert trained <= deep
    for trunk in (backbone.detail, backbone.semantic):
        assert trained & set(trunk.parameters())


@pytest.mark.parametrize("side", [96, 105, 473])
def test_sides_at_which_the_cells_do_not_meet_are_refused(side: int) -> None:
    with pytest.raises(ValueError, match="multiple of 16 plus 1"):
        TwoTrunkBackbone().feature_side(side)
