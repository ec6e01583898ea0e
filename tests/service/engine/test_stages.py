"""Batches of the engine's stages: what one item gets does not depend on its neighbours."""

from pathlib import Path

import numpy as np
import pytest

from model.runtime import BundleRuntime
from service.engine.stages import EncodeTask, PrototypeTask, Stages
from service.settings import SHIPPED_BUNDLES


@pytest.fixture(scope="module")
def runtime() -> BundleRuntime:
    """A network whose encoder takes the mask of a support into account."""
    return BundleRuntime(Path(SHIPPED_BUNDLES) / "lite", intra_op_threads=2)


def test_supports_and_queries_that_share_a_batch_are_encoded_as_alone(
    runtime: BundleRuntime,
) -> None:
    stages = Stages(runtime, max_pairs=8, max_padded_shots=8)
    side = runtime.manifest.input_side
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (3, side, side, 3), dtype=np.uint8)
    mask = np.zeros((side, side), np.float32)
    mask[side // 4 : side // 2, side // 4 : side // 2] = 1
    tasks = [EncodeTask(images[0]), EncodeTask(images[1], mask), EncodeTask(images[2])]
    alone = [each for task in tasks for each in stages.encode([task])]
    together = stages.encode(tasks)
    for own, shared in zip(alone, together, strict=True):
        for name in own.batch.tensors:
            expected = own.to_numpy(name)
            atol = 1e-4 * np.abs(expected).max()
            np.testing.assert_allclose(shared.to_numpy(name), expected, atol=atol)
    assert [len(each.batch.tensors) for each in alone] == [2, 3, 2]  # supports have one more
    (seen_everywhere,) = stages.encode([EncodeTask(images[1])])
    whole, masked = (e.to_numpy("high_feature") for e in (seen_everywhere, alone[1]))
    assert not np.allclose(whole, masked, atol=1e-2)


def test_a_support_without_a_cell_of_its_object_becomes_no_prototype(
    runtime: BundleRuntime,
) -> None:
    stages = Stages(runtime, max_pairs=8, max_padded_shots=8)
    side = runtime.manifest.input_side
    nothing = np.zeros((side, side), np.float32)
    (encoded,) = stages.encode([EncodeTask(np.zeros((side, side, 3), np.uint8), nothing)])
    with pytest.raises(FloatingPointError, match="a mask marks nothing"):
        stages.prototypes([PrototypeTask(encoded, nothing)])
