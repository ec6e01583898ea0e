"""The engine on a GPU: the answers of the CPU, shared batches, encodings that stay there."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from export.tiers.build import write_tiers
from model.contract import Precision, SupportSet, load_manifest, resize_image, resize_mask
from model.data.datasets import ProceduralDefects
from model.runtime import BundleRuntime, Device
from model.runtime.class_inputs import ClassInputs
from service.engine import EngineOptions, OnnxEngine
from service.settings import SHIPPED_BUNDLES
from tests.service.counted_runs import CountedRuns
from tests.service.engines import running_engine, usual_options
from tests.service.pictures import BLUE, RED, picture

pytestmark = pytest.mark.gpu

GPU = Device("cuda")
BUNDLE = SHIPPED_BUNDLES / "base"
SIDE = load_manifest(BUNDLE).input_side
# Of the largest logit. Both have ten bits of fraction: single precision multiplies as TF32 there.
TOLERANCE = 0.02


@asynccontextmanager
async def started(options: EngineOptions) -> AsyncIterator[OnnxEngine]:
    async with running_engine(BUNDLE, options) as engine:
        yield engine


def scenes(count: int) -> list[np.ndarray]:
    """Different images (S, S, 3) with red and blue rectangles."""
    colours = (RED, BLUE)
    return [
        resize_image(
            picture(colours[n % 2], box=(10 + 7 * n % 50, 60 - 5 * n % 40, 60, 80), seed=n).image,
            SIDE,
        )
        for n in range(count)
    ]


def shown(runtime: BundleRuntime) -> SupportSet:
    """A class of two shots."""
    shots = [picture(RED, seed=100), picture(RED, box=(50, 20, 50, 60), seed=101)]
    images = np.stack([resize_image(shot.image, SIDE) for shot in shots])
    masks = np.stack([resize_mask(shot.mask, SIDE) for shot in shots])
    return SupportSet(tuple(runtime.prototypes(runtime.encode(images, masks), masks)))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gpu_answers_as_the_cpu_does(precision: Precision) -> None:
    cpu, gpu = BundleRuntime(BUNDLE), BundleRuntime(BUNDLE, device=GPU, precision=precision)
    images, index = np.stack(scenes(3)), np.array([0, 1, 2, 0])
    expected = cpu.head(cpu.encode(images), index, [shown(cpu)] * 4)
    actual = gpu.head(gpu.encode(images), index, [shown(gpu)] * 4)
    allowed = TOLERANCE * np.abs(expected.logits).max()
    assert np.abs(actual.logits - expected.logits).max() < allowed
    assert np.abs(actual.presence - expected.presence).max() < 0.02


def test_encodings_stay_on_the_device() -> None:
    runtime = BundleRuntime(BUNDLE, device=GPU, precision="fp16")
    encoded = runtime.encode(np.stack(scenes(2)))
    assert {tensor.device_name() for tensor in encoded.batch.tensors.values()} == {"cuda"}
    assert np.isfinite(encoded.to_numpy("query_feature")).all()


def test_a_limit_on_memory_is_kept(tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(BUNDLE, tmp_path / "base"))
    runtime = BundleRuntime(bundle, device=GPU, memory_limit_bytes=200 << 20)
    assert len(runtime.encode(np.stack(scenes(1)))) == 1
    with pytest.raises(Exception, match=r"(?i)memory|alloc"):
        runtime.encode(np.concatenate([np.stack(scenes(8))] * 64))
    # The worker goes on after a batch that was too large.
    assert len(runtime.encode(np.stack(scenes(1)))) == 1


async def test_clients_share_batches_and_each_gets_its_own_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = usual_options(devices=(GPU,), encode_cache_bytes=1 << 30, prediction_cache_bytes=0)
    async with started(options) as engine:
        assert engine.devices == {"cuda:0": "fp16"}
        red = await engine.register(*_support(RED))
        blue = await engine.register(*_support(BLUE))
        images = scenes(24)
        alone = [await engine.segment([image], [red, blue]) for image in images]
    async with started(options) as engine:
        runs = CountedRuns(monkeypatch)
        together = await asyncio.gather(*(engine.segment([image], [red, blue]) for image in images))
        again = await asyncio.gather(*(engine.segment([image], [red, blue]) for image in images))
        assert runs.images == len(images)
        assert runs.encoder < len(images)
    for single, shared, repeated in zip(alone, together, again, strict=True):
        assert np.abs(shared.logits - single.logits).max() < 0.05 * np.abs(single.logits).max()
        assert np.abs(repeated.logits - shared.logits).max() < 0.05 * np.abs(single.logits).max()


async def test_a_class_is_adapted_as_on_the_cpu() -> None:
    answers = []
    for device in (Device(), GPU):
        options = usual_options(devices=(device,), precision="fp32")
        async with started(options) as engine:
            adapted = await engine.register(*_support(RED), adapt=True)
            assert adapted.refit is not None
            answers.append((await engine.segment(scenes(1), [adapted])).logits)
    assert np.abs(answers[1] - answers[0]).max() < 0.05 * np.abs(answers[0]).max()


def test_a_class_that_is_asked_for_again_stays_on_the_device() -> None:
    runtime = BundleRuntime(BUNDLE, device=GPU, precision="fp16", class_cache_bytes=1 << 28)
    encoded, supports = runtime.encode(np.stack(scenes(2))), shown(runtime)
    first, again = (runtime.head(encoded, np.arange(2), [supports] * 2) for _ in range(2))
    np.testing.assert_allclose(again.logits, first.logits, atol=1e-2)
    classes = ClassInputs(GPU, "mean", 1 << 28)
    tensors = classes.of([supports])
    assert classes.of([supports]) is tensors
    assert {tensor.device_name() for tensor in tensors.values()} == {"cuda"}


def test_a_query_is_an_image_that_is_seen_everywhere() -> None:
    runtime = BundleRuntime(BUNDLE, device=GPU, precision="fp16")
    for count in (2, 1, 3):
        images = np.stack(scenes(count))
        masks = np.ones(images.shape[:3], np.float32)
        query, support = runtime.encode(images), runtime.encode(images, masks)
        for name in query.batch.tensors:
            np.testing.assert_allclose(query.to_numpy(name), support.to_numpy(name), atol=1e-2)


def test_tiers_are_written_beside_a_gpu(tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(SHIPPED_BUNDLES / "base", tmp_path / "base"))
    rendered = ProceduralDefects(per_class=1, side=SIDE)
    write_tiers(bundle, ("fp16",), rendered, episodes=1, min_area=1)
    runtime = BundleRuntime(bundle, device=GPU, precision="fp16")
    assert np.isfinite(runtime.encode(np.stack(scenes(1))).to_numpy("high_feature")).all()


def _support(colour: tuple[int, int, int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    shots = [picture(colour, seed=200), picture(colour, box=(50, 20, 50, 60), seed=201)]
    return (
        [resize_image(shot.image, SIDE) for shot in shots],
        [resize_mask(shot.mask, SIDE) for shot in shots],
    )
