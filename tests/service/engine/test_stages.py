"""Batches of the engine's stages: what one item gets does not depend on its neighbours."""

from pathlib import Path

import numpy as np
import pytest

from model.runtime import BundleRuntime, Encoded
from service.engine.base import EngineCounters
from service.engine.stages import EncodeTask, Stages
from service.settings import SHIPPED_BUNDLES


@pytest.fixture(scope="module")
def runtime() -> BundleRuntime:
    """A network whose encoder takes the mask of a support into account."""
    return BundleRuntime(Path(SHIPPED_BUNDLES) / "lite", intra_op_threads=2)


def test_supports_and_queries_that_share_a_batch_are_encoded_as_alone(
    runtime: BundleRuntime,
) -> None:
    stages = Stages(runtime, EngineCounters(), max_pairs=8, max_padded_shots=8)
    side = runtime.manifest.input_side
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (3, side, side, 3), dtype=np.uint8)
    mask = np.zeros((side, side), np.float32)
    mask[side // 4 : side // 2, side // 4 : side // 2] = 1
    tasks = [EncodeTask(images[0]), EncodeTask(images[1], mask), EncodeTask(images[2])]
    alone = [_features(each) for task in tasks for each in stages.encode([task])]
    together = [_features(each) for each in stages.encode(tasks)]
    for own, shared in zip(alone, together, strict=True):
        np.testing.assert_allclose(shared, own, atol=1e-4 * np.abs(own).max())
    (seen_everywhere,) = stages.encode([EncodeTask(images[1])])
    assert not np.allclose(_features(seen_everywhere), alone[1], atol=1e-2)


def _features(encoded: Encoded) -> np.ndarray:
    return np.concatenate(
        [encoded.to_numpy(name).ravel() for name in sorted(encoded.batch.tensors)]
    )
