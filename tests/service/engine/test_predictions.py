"""A class is predicted once in an image, as long as both stay the same and there is room."""

import gc
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from model.contract import SupportSet, resize_image, resize_mask
from service.engine import EngineResources, OnnxEngine
from service.engine.encoding_cache import digests_of
from service.telemetry import EngineMetrics
from tests.service.counted_runs import CountedRuns
from tests.service.engines import running_engine, usual_options
from tests.service.pictures import BLUE, RED, Picture, picture
from tests.service.until import until


def started(
    bundle: Path, resources: EngineResources | None = None, **changes: Any
) -> AbstractAsyncContextManager[OnnxEngine]:
    return running_engine(bundle, usual_options(**changes), resources=resources)


def _pixels(engine: OnnxEngine, scene: Picture) -> NDArray[np.uint8]:
    return resize_image(scene.image, engine.manifest.input_side)


async def _learn(engine: OnnxEngine, scene: Picture) -> SupportSet:
    mask = resize_mask(scene.mask, engine.manifest.input_side)
    return await engine.register([_pixels(engine, scene)], [mask])


async def test_what_was_predicted_is_not_predicted_again(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle) as engine:
        runs = CountedRuns(monkeypatch)
        red, blue = await _learn(engine, picture(RED)), await _learn(engine, picture(BLUE))
        images = [_pixels(engine, picture(RED, seed=seed)) for seed in range(3)]
        first = await engine.segment(images, [red])
        encoded, pairs = runs.images, runs.pairs
        again = await engine.segment([images[2].copy(), images[0].copy()], [red])
        assert (runs.images, runs.pairs) == (encoded, pairs)
        np.testing.assert_array_equal(again.logits, first.logits[[2, 0]])
        np.testing.assert_array_equal(again.presence, first.presence[[2, 0]])
        # Of two images and two classes, what is still unknown: blue in one, both in the other.
        new = _pixels(engine, picture(BLUE))
        both = await engine.segment([images[1], new], [blue, red])
        assert (runs.images, runs.pairs) == (encoded + 1, pairs + 3)
        np.testing.assert_array_equal(both.logits[0, 1], first.logits[1, 0])
        alone = await engine.segment([new], [red])
        np.testing.assert_array_equal(both.logits[1, 1], alone.logits[0, 0])
        assert not np.allclose(both.logits[:, 0], both.logits[:, 1])


async def test_a_class_that_has_changed_is_predicted_anew(tiny_bundle: Path) -> None:
    async with started(tiny_bundle) as engine:
        image = _pixels(engine, picture(RED, seed=1))
        known = await _learn(engine, picture(RED))
        before = await engine.segment([image], [known])
        changed = replace(known, shots=(await _learn(engine, picture(BLUE))).shots)
        after = await engine.segment([image], [changed])
        assert not np.allclose(before.logits, after.logits)


async def test_predictions_stay_within_their_room_and_the_newest_stay(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = usual_options(prediction_cache_bytes=10_000, encode_cache_bytes=0)
    resources = EngineResources(options)
    async with started(tiny_bundle, resources, **options._asdict()) as engine:
        red = await _learn(engine, picture(RED))
        images = [_pixels(engine, picture(RED, seed=seed)) for seed in range(40)]
        await engine.segment(images, [red])
        assert 5_000 < resources.cached_bytes <= 10_000
        runs = CountedRuns(monkeypatch)
        await engine.segment(images[-2:], [red])
        assert runs.pairs == 0
        await engine.segment(images[:1], [red])
        assert runs.pairs == 1


async def test_no_prediction_is_kept_without_room(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle, prediction_cache_bytes=0) as engine:
        runs = CountedRuns(monkeypatch)
        red = await _learn(engine, picture(RED))
        for _ in range(2):
            await engine.segment([_pixels(engine, picture(RED, seed=1))], [red])
        assert (runs.images, runs.pairs) == (2, 2)  # of the support, and of the image


async def test_an_engine_that_has_stopped_leaves_no_prediction(tiny_bundle: Path) -> None:
    options = usual_options(encode_cache_bytes=0)
    resources = EngineResources(options)
    async with started(tiny_bundle, resources, **options._asdict()) as other:
        async with started(tiny_bundle, resources, **options._asdict()) as engine:
            red = await _learn(engine, picture(RED))
            image = _pixels(engine, picture(RED, seed=1))
            await other.segment([image], [red])
            alone = resources.cached_bytes
            await engine.segment([image], [red])
            assert resources.cached_bytes == 2 * alone > 0
        assert resources.cached_bytes == alone


async def test_an_image_that_needs_no_encoding_counts_as_found(tiny_bundle: Path) -> None:
    registry = CollectorRegistry()
    engine = OnnxEngine(tiny_bundle, usual_options(), metrics=EngineMetrics(registry))
    await engine.start()
    red = await _learn(engine, picture(RED))
    for _ in range(3):
        await engine.segment([_pixels(engine, picture(RED, seed=seed)) for seed in (1, 2)], [red])
    await engine.stop()
    looked_up = [
        registry.get_sample_value("fss_engine_cache_lookups_total", {"outcome": outcome})
        for outcome in ("hit", "miss")
    ]
    assert looked_up == [4, 2]


async def test_what_is_sent_may_be_written_to(tiny_bundle: Path) -> None:
    async with started(tiny_bundle) as engine:
        red = await _learn(engine, picture(RED))
        image = _pixels(engine, picture(RED, seed=1))
        first = await engine.segment([image], [red])
        expected = first.logits.copy()
        first.logits[:] = 0
        second = await engine.segment([image], [red])
        np.testing.assert_array_equal(second.logits, expected)
        second.logits[:] = 0
        third = await engine.segment([image], [red])
        np.testing.assert_array_equal(third.logits, expected)


async def test_a_class_that_is_gone_leaves_no_prediction(tiny_bundle: Path) -> None:
    options = usual_options(encode_cache_bytes=0)
    resources = EngineResources(options)
    async with started(tiny_bundle, resources, **options._asdict()) as engine:
        red = await _learn(engine, picture(RED))
        image = _pixels(engine, picture(RED, seed=1))
        await engine.segment([image], [red])
        alone = resources.cached_bytes
        for _ in range(3):
            await engine.segment([image], [await _learn(engine, picture(BLUE))])

        def only_red_is_left() -> bool:
            gc.collect()  # the worker lets go of its last batch a moment after it has answered
            return resources.cached_bytes == alone

        until(only_red_is_left)
        await engine.segment([_pixels(engine, picture(RED, seed=2))], [red])
        assert resources.cached_bytes == 2 * alone


async def test_a_prediction_takes_its_own_memory_and_no_more(tiny_bundle: Path) -> None:
    options = usual_options(encode_cache_bytes=0)
    resources = EngineResources(options)
    async with started(tiny_bundle, resources, **options._asdict()) as engine:
        red, blue = await _learn(engine, picture(RED)), await _learn(engine, picture(BLUE))
        images = [_pixels(engine, picture(RED, seed=seed)) for seed in (1, 2)]
        found = await engine.segment(images, [red, blue])
        digests = await digests_of(images, engine)
        for row, key in enumerate(digests):
            for column, (supports, kept) in enumerate(
                resources.predictions.find(key, [red, blue]).items()
            ):
                assert supports is (red, blue)[column]
                assert kept.logits.base is None  # no part of its batch
                np.testing.assert_array_equal(kept.logits, found.logits[row, column])
        assert resources.cached_bytes > 4 * (found.logits[0, 0].nbytes + 400)  # with its key
