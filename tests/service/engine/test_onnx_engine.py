"""The engine over real graphs in onnxruntime: values, batches, failures, bounds."""

import asyncio
import ctypes
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from model.contract import (
    MANIFEST_FILE,
    InvalidBundleError,
    MissingTierError,
    SupportPrototype,
    SupportSet,
    load_manifest,
    resize_image,
    resize_mask,
)
from model.runtime import (
    Adapt,
    BundleRuntime,
    CellsOutput,
    Device,
    Encoded,
    SupportImages,
    adapt_to,
    predict_left_out,
)
from model.runtime.precision import multiplies_bytes
from service.engine import EngineOptions, EngineResources, OnnxEngine, Predictions
from service.engine.worker import Worker
from service.errors import (
    DeadlineExceededError,
    InferenceError,
    NotReadyError,
    QueueFullError,
    WorkerLostError,
)
from service.telemetry import EngineMetrics, collect_stages
from tests.service.counted_runs import CountedRuns
from tests.service.engines import running_engine, usual_options
from tests.service.lost_device import lose_device
from tests.service.pictures import BLUE, RED, Picture, picture
from tests.service.tiny_bundle import used_to, write_tiny_bundle
from tests.service.until import until

TIMEOUT_S = 20
# A network of a real size is warmed for seconds with batches that nobody asks for.
SOON_WARM = (1, 2)


def plain_options(**changes: Any) -> EngineOptions:
    """Options without caches, so that whatever is asked for is encoded and predicted."""
    return usual_options(**({"encode_cache_bytes": 0, "prediction_cache_bytes": 0} | changes))


@asynccontextmanager
async def started(
    bundle: Path, registry: CollectorRegistry | None = None, **options: Any
) -> AsyncIterator[OnnxEngine]:
    metrics = None if registry is None else EngineMetrics(registry)
    async with running_engine(bundle, plain_options(**options), metrics=metrics) as engine:
        yield engine


def pixels(scene: Picture, engine: OnnxEngine) -> NDArray[np.uint8]:
    return resize_image(scene.image, engine.manifest.input_side)


async def learn(engine: OnnxEngine, *scenes: Picture, adapt: Adapt = False) -> SupportSet:
    masks = [resize_mask(scene.mask, engine.manifest.input_side) for scene in scenes]
    images = [pixels(scene, engine) for scene in scenes]
    return await engine.register(images, masks, adapt=adapt)


def part(supports: SupportSet, *numbers: int) -> SupportSet:
    """Some of the shots, in this order."""
    return SupportSet(tuple(supports.shots[number] for number in numbers))


class Held:
    """Holds the encoder until told, on the worker's own thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.release = Event(), Event()
        encode = BundleRuntime.encode

        def held(runtime: BundleRuntime, *arguments: Any) -> Encoded:
            self.entered.set()
            assert self.release.wait(TIMEOUT_S)
            return encode(runtime, *arguments)

        monkeypatch.setattr(BundleRuntime, "encode", held)

    async def until_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, TIMEOUT_S)


async def until_waiting(registry: CollectorRegistry, **items: int) -> None:
    """Until so many work items wait in the queues of these lanes."""
    end = time.monotonic() + TIMEOUT_S
    waiting: dict[str, float] = {}
    while any(waiting.get(lane) != count for lane, count in items.items()):
        assert time.monotonic() < end, waiting
        await asyncio.sleep(0.01)
        waiting = {
            sample.labels["lane"]: sample.value
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name == "fss_engine_queue_depth"
        }


async def test_shapes_and_kinds_of_every_bundle(bundle: Path) -> None:
    async with started(bundle, batch_sizes=SOON_WARM) as engine:
        manifest = engine.manifest
        shots = await learn(engine, picture(RED), picture(RED, seed=1))
        assert len(shots.shots) == 2
        for shot in shots.shots:
            assert shot.affinity.shape == shot.guided.shape == (manifest.channels,)
            assert shot.tokens.shape[1] == manifest.high_channels
            assert len(shot.tokens) >= 1
        images = [pixels(picture(RED), engine)] * 3
        logits, presence, _ = await engine.segment(images, [shots, part(shots, 0)])
        side = manifest.feature_side
        assert logits.shape == (3, 2, side, side)
        assert np.isfinite(logits).all()
        assert presence.shape == (3, 2)
        assert ((presence > 0) & (presence < 1)).all()


async def test_object_scores_above_its_background(engine: OnnxEngine) -> None:
    red, blue = await learn(engine, picture(RED)), await learn(engine, picture(BLUE))
    logits, presence, _ = await engine.segment([pixels(picture(RED), engine)], [red, blue])
    inside = resize_mask(picture().mask, engine.manifest.feature_side) > 0.9
    outside = resize_mask(picture().mask, engine.manifest.feature_side) == 0
    assert logits[0, 0][inside].min() > 0 > logits[0, 0][outside].max()
    assert logits[0, 0][inside].mean() > logits[0, 1][inside].mean()
    assert presence[0, 0] > presence[0, 1]


async def test_order_of_shots_does_not_matter(bundle: Path) -> None:
    async with started(bundle, batch_sizes=SOON_WARM) as engine:
        shots = await learn(engine, picture(RED), picture(RED, seed=1), picture(BLUE))
        image = [pixels(picture(RED), engine)]
        forward = (await engine.segment(image, [shots])).logits
        backward = (await engine.segment(image, [part(shots, 2, 1, 0)])).logits
        np.testing.assert_allclose(backward, forward, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "bounds", [{"max_batch_pairs": 1}, {"max_batch_pairs": 2}, {"max_batch_shots": 4}]
)
async def test_chunks_of_the_head_change_nothing(
    tiny_bundle: Path,
    engine: OnnxEngine,
    bounds: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shots = await learn(engine, picture(RED), picture(RED, seed=1), picture(BLUE))
    classes = [shots, part(shots, 0), part(shots, 1, 2), part(shots, 2)]
    images = [pixels(picture(RED), engine), pixels(picture(BLUE), engine)]
    whole = await engine.segment(images, classes)
    async with started(tiny_bundle, None, **bounds) as chunked:
        runs = CountedRuns(monkeypatch)
        for found, wanted in zip(await chunked.segment(images, classes), whole, strict=True):
            np.testing.assert_allclose(found.astype(float), wanted.astype(float), rtol=0, atol=1e-5)
        assert runs.head > 1


@pytest.mark.parametrize("scenes", [1, 3])
async def test_adaptation_takes_the_place_of_the_networks_own_answer(
    engine: OnnxEngine, scenes: int
) -> None:
    # Supports whose masks mark the ground: what a colour is near to does not matter any more.
    shown = [picture(RED, seed=seed) for seed in range(scenes)]
    marked = [scene._replace(mask=~scene.mask) for scene in shown]
    plain, adapted = await learn(engine, *shown), await learn(engine, *marked, adapt=True)
    assert plain.refit is None
    assert adapted.refit is not None
    assert adapted.refit[0] == pytest.approx(0.2 / scenes)  # a little of it stays
    image = [pixels(picture(RED, seed=9), engine)]
    logits, *_ = await engine.segment(image, [plain, adapted])
    inside = resize_mask(picture().mask, engine.manifest.feature_side) > 0.9
    outside = resize_mask(picture().mask, engine.manifest.feature_side) == 0
    assert logits[0, 0][inside].min() > 0 > logits[0, 1][inside].max()
    assert logits[0, 1][outside].mean() > 0


async def test_auto_looks_at_a_single_support_and_its_mirror_image(
    engine: OnnxEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = CountedRuns(monkeypatch)
    shots = await learn(engine, picture(RED), adapt="auto")
    assert shots.refit is not None
    assert shots.refit[0] > 0.7  # the network finds it by itself
    # Both as supports, and both as queries.
    assert runs.images == 2 + 2


async def test_queries_never_encode_supports_again(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle) as engine:
        runs = CountedRuns(monkeypatch)
        shots = await learn(engine, *(picture(RED, seed=seed) for seed in range(5)))
        assert runs.images == 5
        for _ in range(3):
            await engine.segment([pixels(picture(), engine)] * 2, [shots, part(shots, 0)])
        assert runs.images == 5 + 3  # one image twice is encoded once
        assert runs.pairs == 3 * 2 * 2


async def test_warm_up_shows_in_no_metric(tiny_bundle: Path) -> None:
    registry = CollectorRegistry()
    async with started(tiny_bundle, registry) as engine:
        assert engine.ready
        (batches,) = (m for m in registry.collect() if m.name == "fss_engine_batch_items")
        assert batches.samples == []
        await learn(engine, picture(RED))
        (batches,) = (m for m in registry.collect() if m.name == "fss_engine_batch_items")
        assert batches.samples != []


async def test_every_size_of_a_batch_has_run_before_the_first_request(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = CountedRuns(monkeypatch)
    async with started(tiny_bundle, batch_sizes=(1, 2, 4)):
        assert (runs.encoder, runs.images) == (1 + 3, 1 + 1 + 2 + 4)  # a support first
        assert runs.pairs == 1 + 2 + 4


async def test_requests_share_batches(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    async with started(tiny_bundle, registry) as engine:
        shots = await learn(engine, picture(RED))
        runs = CountedRuns(monkeypatch)
        held = Held(monkeypatch)
        image = pixels(picture(), engine)
        first = asyncio.create_task(engine.segment([image], [shots]))
        await held.until_entered()
        others: list[asyncio.Task[Any]] = [
            asyncio.create_task(engine.segment([image], [shots])) for _ in range(4)
        ]
        others.append(asyncio.create_task(learn(engine, picture(BLUE))))
        await until_waiting(registry, query=4, support=1)
        held.release.set()
        await asyncio.gather(first, *others)
        assert runs.encoder == 1 + 1 + 1  # supports in a lane of their own
        assert runs.images == 1 + 4 + 1


async def test_bad_class_fails_its_own_request_only(engine: OnnxEngine) -> None:
    good = await learn(engine, picture(RED))
    (shot,) = good.shots
    bad = SupportSet((shot._replace(affinity=np.full_like(shot.affinity, np.nan)),))
    image = [pixels(picture(), engine)]
    results = await asyncio.gather(
        engine.segment(image, [good]),
        engine.segment(image, [bad]),
        engine.segment(image, [good]),
        return_exceptions=True,
    )
    assert isinstance(results[1], InferenceError)
    for good_result in (results[0], results[2]):
        assert isinstance(good_result, Predictions)
        assert np.isfinite(good_result.logits).all()
    assert engine.ready


async def test_prototype_that_is_not_finite_is_refused(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle) as engine:
        prototypes = BundleRuntime.prototypes

        def poisoned(*arguments: Any) -> list[SupportPrototype]:
            return [
                shot._replace(gate=shot.gate * np.float32("nan")) for shot in prototypes(*arguments)
            ]

        monkeypatch.setattr(BundleRuntime, "prototypes", poisoned)
        with pytest.raises(InferenceError):
            await learn(engine, picture(RED))


@pytest.mark.parametrize("poisoned", ["logits", "cells"])
async def test_nothing_is_fitted_to_cells_that_are_not_finite(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, poisoned: str
) -> None:
    async with started(tiny_bundle) as engine:
        cells = BundleRuntime.cells

        def poison(*arguments: Any) -> CellsOutput:
            found = cells(*arguments)
            getattr(found, poisoned)[0, ..., 0, 0] = np.nan
            return found

        monkeypatch.setattr(BundleRuntime, "cells", poison)
        with pytest.raises(InferenceError):
            await learn(engine, picture(RED), picture(RED, seed=1), adapt=True)


async def test_what_is_left_of_a_request_that_failed_is_not_run(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle, batch_sizes=(1,)) as engine:
        shots = await learn(engine, picture(RED))
        encode, told = BundleRuntime.encode, Event()
        asked: list[BundleRuntime] = []

        def fail_once(runtime: BundleRuntime, *arguments: Any) -> Encoded:
            asked.append(runtime)
            if len(asked) == 1:
                raise RuntimeError("no memory")
            assert told.wait(TIMEOUT_S)
            return encode(runtime, *arguments)

        monkeypatch.setattr(BundleRuntime, "encode", fail_once)
        with pytest.raises(InferenceError):
            await engine.segment([pixels(picture(seed=n), engine) for n in range(9)], [shots])
        told.set()
        await engine.segment([pixels(picture(BLUE), engine)], [shots])
        assert len(asked) <= 3  # the second image may have been taken before anybody was told


async def test_full_queue_refuses_and_recovers(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle, max_queued_images=4) as engine:
        shots = await learn(engine, picture(RED))
        held = Held(monkeypatch)
        image = pixels(picture(), engine)
        inside = asyncio.create_task(engine.segment([image] * 3, [shots]))
        await held.until_entered()
        with pytest.raises(QueueFullError):
            await engine.segment([image] * 2, [shots])
        held.release.set()
        assert len((await inside).logits) == 3
        assert len((await engine.segment([image] * 4, [shots])).logits) == 4


async def test_deadline_is_checked_when_a_job_is_taken(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    engine = OnnxEngine(tiny_bundle, plain_options(deadline_s=10), clock=lambda: now[0])
    await engine.start()
    shots = await learn(engine, picture(RED))
    held = Held(monkeypatch)
    image = [pixels(picture(), engine)]
    first = asyncio.create_task(engine.segment(image, [shots]))
    await held.until_entered()
    second = asyncio.create_task(engine.segment(image, [shots]))
    await asyncio.sleep(0)
    now[0] = 11.0
    held.release.set()
    for late in (first, second):  # the first is too late for the head, the second for the encoder
        with pytest.raises(DeadlineExceededError):
            await late
    assert len((await engine.segment(image, [shots])).logits) == 1
    await engine.stop()


async def test_stopped_engine_refuses(tiny_bundle: Path) -> None:
    engine = OnnxEngine(tiny_bundle, plain_options())
    with pytest.raises(NotReadyError):
        await engine.segment([], [])
    await engine.start()
    image = pixels(picture(), engine)
    shots = await learn(engine, picture(RED))
    await engine.stop()
    assert not engine.ready
    with pytest.raises(NotReadyError):
        await engine.segment([image], [shots])


def _raise(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no memory")


@pytest.mark.parametrize("broken", ["encode", "prototypes", "head", "cells"])
async def test_not_ready_unless_all_graphs_have_run(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    fail: Callable[..., Any] = _raise
    monkeypatch.setattr(BundleRuntime, broken, fail)
    engine = OnnxEngine(tiny_bundle, plain_options())
    await engine.start()
    assert not engine.ready
    assert engine.failure == "RuntimeError: no memory"
    await engine.stop()


async def test_a_device_that_cannot_start_leaves_no_other_running(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Worker.start

    def start_unless_second(worker: Worker) -> None:
        if worker.name == "cpu:1":
            raise RuntimeError("can't start new thread")
        start(worker)

    monkeypatch.setattr(Worker, "start", start_unless_second)
    devices = (Device("cpu", 0), Device("cpu", 1))
    engine = OnnxEngine(tiny_bundle, plain_options(devices=devices))
    await engine.start()
    assert engine.failure == "RuntimeError: can't start new thread"
    assert "engine-cpu" not in {thread.name for thread in threading.enumerate()}


async def test_missing_device_is_a_failure(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BundleRuntime, "providers", ("CPUExecutionProvider",))
    engine = OnnxEngine(tiny_bundle, plain_options(devices=(Device("cuda"),)))
    # Silent about the fallback on machines without the device's provider, as onnxruntime itself.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        await engine.start()
    assert not engine.ready
    assert engine.failure is not None
    assert "CUDAExecutionProvider" in engine.failure
    await engine.stop()


def test_altered_bundle_is_refused_at_once(tmp_path: Path, tiny_bundle: Path) -> None:
    for file in tiny_bundle.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "head.onnx").open("ab") as head:
        head.write(b"\0")
    with pytest.raises(InvalidBundleError, match="head"):
        OnnxEngine(tmp_path, plain_options())


@pytest.mark.parametrize("devices", [(Device(),), (Device(), Device("cpu", 1))])
async def test_an_image_that_was_seen_is_not_encoded_again(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, devices: tuple[Device, ...]
) -> None:
    async with started(tiny_bundle, devices=devices, encode_cache_bytes=1_000_000) as engine:
        runs = CountedRuns(monkeypatch)
        red, blue = await learn(engine, picture(RED)), await learn(engine, picture(BLUE))
        images = [pixels(picture(RED, seed=seed), engine) for seed in range(3)]
        first = await engine.segment(images, [red])
        encoded = runs.images
        again = await engine.segment([images[2].copy(), images[0].copy()], [red])
        assert runs.images == encoded
        np.testing.assert_array_equal(again.logits, first.logits[[2, 0]])
        both = await engine.segment([images[1], pixels(picture(BLUE), engine)], [blue, red])
        assert runs.images == encoded + 1
        np.testing.assert_allclose(both.logits[0, 1], first.logits[1, 0], rtol=0, atol=1e-5)


async def test_every_device_takes_its_share(tiny_bundle: Path) -> None:
    devices = (Device(), Device("cpu", 1))
    async with started(tiny_bundle, devices=devices) as engine:
        shots = await learn(engine, picture(RED))
        image = pixels(picture(RED), engine)
        names = {thread.name for thread in threading.enumerate()}
        assert {"engine-cpu", "engine-cpu:1"} <= names
        assert set(engine.devices) == {"cpu", "cpu:1"}
        answers = await asyncio.gather(*(engine.segment([image], [shots]) for _ in range(8)))
        for answer in answers:
            np.testing.assert_allclose(answer.logits, answers[0].logits, rtol=0, atol=1e-5)


async def test_a_worker_that_is_killed_comes_back_by_itself(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle, encode_cache_bytes=1_000_000) as engine:
        shots = await learn(engine, picture(RED))
        image = pixels(picture(RED), engine)
        before = await engine.segment([image], [shots])
        await kill_the_worker(engine, shots, monkeypatch)
        after = await engine.segment([image], [shots])
        np.testing.assert_array_equal(after.logits, before.logits)
        assert engine.ready


async def kill_the_worker(
    engine: OnnxEngine, shots: SupportSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """End its thread amid a request."""
    held = Held(monkeypatch)
    lost = asyncio.create_task(engine.segment([pixels(picture(BLUE), engine)], [shots]))
    await held.until_entered()
    (worker,) = (t for t in threading.enumerate() if t.name == "engine-cpu")
    kill = ctypes.pythonapi.PyThreadState_SetAsyncExc
    assert kill(ctypes.c_ulong(worker.ident or 0), ctypes.py_object(SystemExit)) == 1
    held.release.set()
    with pytest.raises(WorkerLostError):
        await lost


async def test_what_lay_on_a_device_that_was_lost_is_encoded_again(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle, encode_cache_bytes=1_000_000) as engine:
        shots = await learn(engine, picture(RED))
        image = pixels(picture(RED), engine)
        await engine.segment([image], [shots])
        await kill_the_worker(engine, shots, monkeypatch)
        await asyncio.to_thread(until, lambda: engine.ready)
        runs = CountedRuns(monkeypatch)
        await engine.segment([image], [shots])
        assert runs.images == 1


async def test_a_device_that_does_not_come_back_is_neither_asked_nor_counted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    devices = (Device(), Device("cpu", 1))
    async with started(bundle, devices=devices, batch_sizes=(1,)) as engine:
        shots = await learn(engine, picture(RED))
        slow_down(monkeypatch)
        image = [pixels(picture(RED), engine)]

        async def ask_each_device() -> list[Predictions | BaseException]:
            calls = [engine.segment(image, [shots]) for _ in devices]
            return await asyncio.gather(*calls, return_exceptions=True)

        for _ in range(9):
            await ask_each_device()
        before_s = engine.wait_s(4)
        (bundle / MANIFEST_FILE).unlink()
        lose_device(monkeypatch)
        while "worker not revived" not in caplog.text:
            await ask_each_device()
        assert engine.wait_s(4) > 1.5 * before_s
        assert all(isinstance(each, Predictions) for each in await ask_each_device())


async def test_a_worker_never_comes_back_with_another_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle", revision="1")
    async with started(bundle) as engine:
        shots = await learn(engine, picture(RED))
        image = pixels(picture(RED), engine)
        before = await engine.segment([image], [shots])
        write_tiny_bundle(bundle, revision="2", inverted=True)
        await kill_the_worker(engine, shots, monkeypatch)
        waiting = asyncio.create_task(engine.segment([image], [shots]))
        await asyncio.to_thread(until, lambda: "worker not revived" in caplog.text)
        assert "is another bundle by now: have it reloaded" in caplog.text
        write_tiny_bundle(bundle, revision="1")
        np.testing.assert_array_equal((await waiting).logits, before.logits)


async def test_a_device_that_hangs_fails_the_liveness(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle, stuck_s=0.05) as engine:
        shots = await learn(engine, picture(RED))
        held = Held(monkeypatch)
        stuck = asyncio.create_task(engine.segment([pixels(picture(), engine)], [shots]))
        await held.until_entered()
        await asyncio.sleep(0.1)
        assert not engine.ready
        assert engine.failure is not None
        assert "device has not answered" in engine.failure
        held.release.set()
        await stuck
        assert engine.ready
        assert engine.failure is None


async def test_adaptation_takes_a_repeated_shot_for_one(engine: OnnxEngine) -> None:
    one, other = picture(RED), picture(RED, seed=1)
    once, twice = [await learn(engine, one, *more, adapt=True) for more in ([], [one])]
    assert len(twice.shots) == 2
    np.testing.assert_array_equal(once.refit, twice.refit)
    # Nor is it held out as if it were another image.
    single, repeated = [await learn(engine, *each, adapt="auto") for each in ([one], [one, one])]
    np.testing.assert_array_equal(single.refit, repeated.refit)
    pair = await learn(engine, one, other, adapt=True)
    three = await learn(engine, one, other, one, adapt=True)
    assert pair.refit is not None
    assert three.refit is not None
    np.testing.assert_allclose(pair.refit, three.refit, atol=1e-3)


FADED = (110, 125, 70)  # so near to the ground that a fit is no sure gain


async def test_a_lone_support_unlike_what_the_network_knows_is_fitted_to_more_readily(
    tmp_path: Path,
) -> None:
    kept = {}
    for distance in (10.0, 1e-6):
        async with started(
            used_to(write_tiny_bundle(tmp_path / f"{distance}"), distance)
        ) as engine:
            refit = (await learn(engine, picture(FADED), adapt="auto")).refit
            kept[distance] = 1.0 if refit is None else float(refit[0])
    assert kept[1e-6] < kept[10.0]


@pytest.mark.parametrize("adapt", [True, "auto"])
@pytest.mark.parametrize("supports", [(0,), (0, 1), (0, 2), (0, 1, 2), (0, 0)])
async def test_a_class_is_fitted_as_evaluations_fit_it(
    tmp_path: Path, supports: tuple[int, ...], adapt: Adapt
) -> None:
    one = picture(FADED)
    wider = one._replace(mask=one.mask | np.roll(one.mask, 4, axis=1))
    scenes = [(one, wider, picture(FADED, seed=1))[k] for k in supports]
    bundle = used_to(write_tiny_bundle(tmp_path / "tiny"), 1e-6)
    async with started(bundle) as engine:
        learned = await learn(engine, *scenes, adapt=adapt)
    runtime = BundleRuntime(bundle, intra_op_threads=1)
    side = runtime.manifest.input_side
    images = [resize_image(scene.image, side) for scene in scenes]
    masks = [resize_mask(scene.mask, side) for scene in scenes]
    shown = SupportImages.of(images, masks, learned.shots)
    predictions = predict_left_out(runtime, shown)
    refit, classifier, _ = adapt_to(shown, predictions, adapt, threshold=runtime.manifest.threshold)
    assert predictions.single == (len({0 if k == 1 else k for k in supports}) == 1)
    assert learned.refit is not None
    assert refit is not None
    np.testing.assert_allclose(learned.refit, refit, rtol=1e-3, atol=1e-3)
    assert (learned.pixel_classifier is None) == (classifier is None)
    if classifier is not None:
        assert learned.pixel_classifier is not None
        np.testing.assert_allclose(learned.pixel_classifier, classifier, rtol=0.05, atol=0.02)


async def test_encodings_of_a_device_that_was_lost_are_not_kept(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = EngineResources(plain_options(encode_cache_bytes=10**6))
    engine = OnnxEngine(tiny_bundle, plain_options(encode_cache_bytes=10**6), resources=resources)
    await engine.start()
    encode = BundleRuntime.encode

    def encode_last(runtime: BundleRuntime, *arguments: Any) -> Encoded:
        encoded = encode(runtime, *arguments)
        resources.devices[Device()].lose_encodings()
        return encoded

    scene = picture(RED)
    shots = await learn(engine, scene)
    await engine.segment([pixels(picture(RED, seed=1), engine)], [shots])
    assert resources.cached_bytes > 0
    monkeypatch.setattr(BundleRuntime, "encode", encode_last)
    await engine.segment([pixels(scene, engine)], [shots])
    assert resources.cached_bytes == 0
    await engine.stop()


async def test_encodings_of_an_engine_that_was_stopped_are_not_kept(tiny_bundle: Path) -> None:
    options = plain_options(encode_cache_bytes=10**6)
    resources = EngineResources(options)
    async with running_engine(tiny_bundle, options, resources=resources) as engine:
        shots = await learn(engine, picture(RED))
        await engine.segment([pixels(picture(RED, seed=1), engine)], [shots])
        assert resources.cached_bytes > 0
    assert resources.cached_bytes == 0


def slow_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every encoding takes 50 ms more from now on."""
    encode = BundleRuntime.encode

    def slow(runtime: BundleRuntime, *arguments: Any) -> Encoded:
        time.sleep(0.05)
        return encode(runtime, *arguments)

    monkeypatch.setattr(BundleRuntime, "encode", slow)


async def test_costs_are_learned_and_pending_work_is_summed(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()
    async with started(tiny_bundle, registry, batch_sizes=(1,)) as engine:
        assert engine.wait_s(3) == 0
        shots = await learn(engine, picture(RED))
        slow_down(monkeypatch)
        for seed in range(60):
            await engine.segment([pixels(picture(RED, seed=seed), engine)], [shots])
        assert engine.wait_s(0) == 0
        assert 0.04 < engine.wait_s(1) < 0.5
        assert engine.wait_s(4) == pytest.approx(4 * engine.wait_s(1))
        # Of a heavy request one image counts, since others take turns with it.
        light_s = engine.wait_s(1)
        many = [pixels(picture(BLUE, seed=seed), engine) for seed in range(8)]
        held = Held(monkeypatch)
        heavy = asyncio.create_task(engine.segment(many, [shots] * 4))
        await until_waiting(registry, query=7)
        assert light_s < engine.wait_s(1) < 6 * light_s
        held.release.set()
        await heavy
        assert engine.wait_s(1) < 3 * light_s


async def test_where_requests_look_twice_the_wait_is_twice_as_long(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle, batch_sizes=(1,)) as engine:
        shots = await learn(engine, picture(RED))
        slow_down(monkeypatch)
        images = [pixels(picture(RED, seed=seed), engine) for seed in range(2)]
        waits = []
        for looks in (1, 2):
            for _ in range(20):
                with collect_stages():
                    for image in images[:looks]:
                        await engine.segment([image], [shots])
            waits.append(engine.wait_s(4))
        assert 1.5 < waits[1] / waits[0] < 2.1  # 1.74 while the former are remembered


async def test_the_first_request_teaches_all_of_its_cost(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle, batch_sizes=(1,)) as engine:
        slow_down(monkeypatch)
        await learn(engine, picture(RED))
        assert engine.wait_s(1) > 0.04


async def test_cached_images_owe_the_head_alone(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()
    async with started(tiny_bundle, registry, encode_cache_bytes=10**6) as engine:
        slow_down(monkeypatch)
        shots = await learn(engine, picture(RED))
        known = [pixels(picture(BLUE, seed=seed), engine) for seed in range(8)]
        await engine.segment(known, [shots])
        single_s = engine.wait_s(1)
        held = Held(monkeypatch)
        new = [pixels(picture(RED, seed=1), engine)]
        first = asyncio.create_task(engine.segment(new, [shots]))
        await held.until_entered()
        second = asyncio.create_task(engine.segment(known, [shots]))
        await until_waiting(registry, head=8)
        assert engine.wait_s(2) < 6 * single_s  # and 9 or more where all had to be encoded
        held.release.set()
        await asyncio.gather(first, second)


async def test_a_registration_owes_its_refit(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tiny_bundle) as engine:
        slow_down(monkeypatch)
        await learn(engine, picture(RED), adapt=True)
        held = Held(monkeypatch)
        owed = []
        for adapt in (False, True):
            task = asyncio.create_task(learn(engine, picture(BLUE), adapt=adapt))
            await held.until_entered()
            owed.append(engine.wait_s(1))
            held.release.set()
            await task
            held.entered.clear()
            held.release.clear()
        assert owed[1] > owed[0] + 0.04


async def test_the_precision_that_suits_the_device_is_served_and_told(bundle: Path) -> None:
    tiers = load_manifest(bundle).tiers
    async with started(bundle, precision="auto", batch_sizes=SOON_WARM) as engine:
        expected = "int8" if "int8" in tiers and multiplies_bytes() else "fp32"
        assert engine.devices == {"cpu": expected}
    async with started(bundle, precision="fp32", batch_sizes=SOON_WARM) as plain:
        assert plain.devices == {"cpu": "fp32"}


def test_a_precision_that_the_bundle_lacks_is_refused_at_once(tiny_bundle: Path) -> None:
    with pytest.raises(MissingTierError, match="int8"):
        OnnxEngine(tiny_bundle, plain_options(precision="int8"))
