"""The pool on a real Ray cluster of three nodes: same answers, typed errors, no lost request."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray

from model.contract import PIXEL_CLASSIFIER_SIZE, Manifest, SupportSet
from service.app import create_app
from service.assembly import create_engine
from service.engine import (
    BundleWatcher,
    Engine,
    FakeEngine,
    ModelRegistry,
    OnnxEngine,
    Predictions,
)
from service.environment import UnknownSettingError
from service.errors import (
    DeadlineExceededError,
    NotReadyError,
    QueueFullError,
    RetryableError,
)
from service.settings import Settings
from service.telemetry import collect_stages
from tests.service.engines import usual_options
from tests.service.http_api import new_session, post_segment, running
from tests.service.pictures import RED, picture
from tests.service.tiny_bundle import CELLS, SIDE, write_tiny_bundle

pytest.importorskip("ray", reason="the extra `ray` is not installed, see requirements-ray.txt")

from ray import serve
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    AuthenticationError,
    ObjectStoreFullError,
    RayTaskError,
)
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import DeploymentUnavailableError, RequestCancelledError

from service.engine.ray_pool import RayEngine, http_tier
from service.engine.ray_pool.backlog import Backlog
from service.engine.ray_pool.references import References, digest
from service.engine.ray_pool.reply import Reply
from service.ray_application import build, engine_failure
from tests.service.ray_cluster import (
    CountedReplica,
    add_worker,
    application,
    pool_engine,
    ray_cluster,
)

pytestmark = pytest.mark.ray

_CLIENTS = 4
_LAST_BITS = 1e-5


@pytest.fixture(scope="module")
def cluster(tiny_bundle: Path) -> Iterator[Any]:
    with ray_cluster(tiny_bundle, workers=2) as cluster:
        yield cluster


class Lesson(NamedTuple):
    """Supports of a class, images to find it in, and what the engine in this process finds."""

    images: NDArray[np.uint8]
    masks: NDArray[np.float32]
    queries: NDArray[np.uint8]
    learned: SupportSet
    found: Predictions


@pytest.fixture
async def lesson(engine: OnnxEngine) -> Lesson:
    rng = np.random.default_rng(27)
    images = rng.integers(0, 255, (3, SIDE, SIDE, 3), dtype=np.uint8)
    masks = np.zeros((3, SIDE, SIDE), np.float32)
    masks[:, 4:20, 8:24] = 1
    queries = rng.integers(0, 255, (8, SIDE, SIDE, 3), dtype=np.uint8)
    learned = await engine.register(list(images), list(masks), adapt=True)
    learned = replace(learned, close_up=SupportSet(learned.shots[:1]))  # with a close-up
    found = await engine.segment(list(queries), [learned, learned])
    return Lesson(images, masks, queries, learned, found)


async def _check(engine: Engine, lesson: Lesson, *, atol: float = 0) -> None:
    """Ask for all images and compare every number.

    Requests that come together share batches, and the sums of a batch depend on its size in their
    last bits, here as in an engine of this process.
    """
    answers = await engine.segment(list(lesson.queries), [lesson.learned, lesson.learned])
    for got, wanted in zip(answers, lesson.found, strict=True):
        np.testing.assert_allclose(got.astype(float), wanted.astype(float), rtol=0, atol=atol)
    np.testing.assert_array_equal(answers.logits > 0, lesson.found.logits > 0)


async def _ask_until(stop: asyncio.Event, engine: Engine, lesson: Lesson) -> int:
    """What a client does: ask, compare, and ask again where the service says so."""
    done = 0
    while not stop.is_set():
        try:
            await _check(engine, lesson, atol=_LAST_BITS)
            done += 1
        except RetryableError:
            await asyncio.sleep(0.1)
    return done


async def test_a_pool_answers_as_the_engine_in_this_process(
    cluster: object, tiny_bundle: Path, lesson: Lesson
) -> None:
    async with pool_engine(tiny_bundle) as engine:
        assert engine.ready
        (own,) = await engine.segment_each([lesson.queries[0]], [[lesson.learned]])
        assert own.logits.shape == (1, 1, CELLS, CELLS)
        learned = await engine.register(list(lesson.images), list(lesson.masks), adapt=True)
        assert learned.refit is not None
        np.testing.assert_array_equal(learned.refit, lesson.learned.refit)
        for shot, wanted in zip(learned.shots, lesson.learned.shots, strict=True):
            for got, array in zip(shot, wanted, strict=True):
                np.testing.assert_array_equal(got, array)
                assert got.flags.owndata  # nothing that is kept lies in the object store
        await _check(engine, lesson)
        with pytest.raises(QueueFullError, match="more than 256 images"):  # the replica's own words
            await engine.segment([lesson.queries[0]] * 257, [lesson.learned])
    with pytest.raises(NotReadyError):
        await engine.segment([lesson.queries[0]], [lesson.learned])


async def test_requests_that_look_twice_are_expected_to_wait_twice(
    cluster: object, tiny_bundle: Path, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backlog, "wait_s", lambda _: 3.0)
    async with pool_engine(tiny_bundle) as engine:
        assert engine.wait_s(0) == 3
        with collect_stages():
            for expected_s in (3, 6):
                await engine.segment([lesson.queries[0]], [lesson.learned])
                assert engine.wait_s(0) == expected_s


async def test_waiting_requests_are_bounded_and_those_given_up_are_not_worked_on(
    cluster: object, tiny_bundle: Path, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.ray_pool.pool.EngineReplica", CountedReplica)
    slow = {"batch_wait_s": 1.0, "ray_max_ongoing": 1, "ray_max_queued": 1}
    async with pool_engine(tiny_bundle, **slow, encode_cache_bytes=0) as engine:

        def ask(images: int = 1) -> asyncio.Task[Predictions]:
            return asyncio.create_task(
                engine.segment(list(lesson.queries[:images]), [lesson.learned])
            )

        given_up = ask(images=3)
        await asyncio.sleep(0.3)  # in the replica, which waits for others to join its batch
        waiting = ask()
        await asyncio.sleep(0.3)
        with pytest.raises(QueueFullError) as refusal:
            await ask()
        assert (refusal.value.status, refusal.value.code) == (503, "queue_full")
        assert refusal.value.headers["Retry-After"]
        given_up.cancel()
        assert (await waiting).logits.shape == (1, 1, CELLS, CELLS)
        replica = serve.get_deployment_handle(engine.pool.name, engine.pool.name)
        assert await replica.encoded_images.remote() == 1


async def test_an_answer_that_does_not_come_in_time_is_a_typed_error(
    cluster: object, tiny_bundle: Path, lesson: Lesson
) -> None:
    async with pool_engine(tiny_bundle, batch_wait_s=1.0, deadline_s=0.3) as engine:
        with pytest.raises(DeadlineExceededError):
            await engine.segment([lesson.queries[0]], [lesson.learned])


async def test_a_lost_node_loses_no_request(
    cluster: Any, tiny_bundle: Path, lesson: Lesson
) -> None:
    two = {"ray_min_replicas": 2, "ray_max_replicas": 2}
    async with pool_engine(tiny_bundle, **two) as engine:
        stop = asyncio.Event()
        clients = [asyncio.create_task(_ask_until(stop, engine, lesson)) for _ in range(_CLIENTS)]
        await asyncio.sleep(1)
        lost = cluster.worker_nodes.copy().pop()
        await asyncio.to_thread(cluster.remove_node, lost, allow_graceful=False)
        await asyncio.sleep(2)
        await _check(engine, lesson, atol=_LAST_BITS)  # the other replica is there
        stop.set()
        assert min(await asyncio.gather(*clients)) > 0
    add_worker(cluster)


async def test_replicas_and_bundles_are_exchanged_under_load(
    cluster: object, tiny_bundle: Path, lesson: Lesson, tmp_path: Path
) -> None:
    other = write_tiny_bundle(tmp_path / "other")
    manifest = Manifest.model_validate_json((other / "manifest.json").read_text())
    newer = manifest.model_copy(update={"revision": "newer"}).model_dump_json()
    (other / "manifest.json").write_text(newer)
    async with pool_engine(tiny_bundle, ray_num_cpus=0.5) as old:
        stop = asyncio.Event()
        clients = [asyncio.create_task(_ask_until(stop, old, lesson)) for _ in range(_CLIENTS)]
        async with pool_engine(other, ray_num_cpus=0.5) as new:
            assert new.pool.name != old.pool.name
            await _check(
                old, lesson, atol=_LAST_BITS
            )  # sessions of the old revision are still answered
            await _check(new, lesson)  # a bundle of other numbers would fail here
        async with pool_engine(tiny_bundle, ray_num_cpus=0.5, encode_cache_bytes=0) as changed:
            assert changed.pool.name == old.pool.name  # the same pool, with other replicas
            await _check(changed, lesson, atol=_LAST_BITS)
            stop.set()
            assert min(await asyncio.gather(*clients)) > 0


async def test_the_whole_application_runs_as_replicas(cluster: object, tiny_bundle: Path) -> None:
    engine = OnnxEngine(tiny_bundle, usual_options())
    async with (
        running(create_app(Settings(engine="onnx", bundle=tiny_bundle), engine=engine)) as here,
        application() as there,
    ):
        found = []
        for each in (here, there):
            session_id = await new_session(each, [picture(RED), picture(RED, seed=1)], "red")
            answer = await post_segment(each, session_id, [picture(RED, seed=2)], output="rle")
            assert answer.status_code == 200, answer.text
            found.append(answer.json()["results"])
            unknown = await post_segment(each, "unknown", [picture(RED)])
            assert (unknown.status_code, unknown.json()["code"]) == (404, "session_not_found")
        assert found[0] == found[1]
        assert found[0][0]["classes"]


async def test_serve_is_told_of_http_replicas_that_will_never_infer_again(
    cluster: object, tmp_path: Path
) -> None:
    failed = tmp_path / "failed"

    def build_app() -> FastAPI:
        return FastAPI()

    def failure(app: FastAPI) -> str | None:
        return failed.read_text() if failed.exists() else None

    tier = http_tier(build_app, failure, [])
    handle = await asyncio.to_thread(serve.run, tier, name="tier", route_prefix="/tier")
    try:
        await handle.check_health.remote()
        failed.write_text("pool not joined")
        with pytest.raises(RuntimeError, match="pool not joined"):
            await handle.check_health.remote()
    finally:
        serve.delete("tier")


def test_an_http_replica_is_replaced_for_what_its_healthz_fails_for() -> None:
    engine = FakeEngine()
    app = create_app(Settings(engine="fake"), engine=engine)
    assert engine_failure(app) is None
    engine.failure = "pool not joined"
    assert engine_failure(app) == "pool not joined"


def _joining(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, joined: Iterator[Any], **settings: Any
) -> tuple[RayEngine, list[float]]:
    """An engine that finds one after the other of `joined`, an error or a handle; its pauses."""
    engine = create_engine(Settings(engine="ray", bundle=bundle, devices="cpu", **settings))
    assert isinstance(engine, RayEngine)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def join() -> Any:
        found = next(joined)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(engine.pool, "join", join)
    monkeypatch.setattr(engine, "_sleep", sleep)
    return engine, pauses


async def test_a_pool_that_loses_its_first_greetings_is_joined_all_the_same(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [ActorDiedError(), ActorUnavailableError("lost", None), RequestCancelledError()]
    joined = iter([*lost, FailingHandle()])
    engine, pauses = _joining(tiny_bundle, monkeypatch, joined)
    await engine.start()
    assert (engine.ready, engine.failure) == (True, None)
    assert len(pauses) == len(lost)
    assert pauses == sorted(set(pauses))


@pytest.mark.parametrize(
    "error",
    [
        DeploymentUnavailableError(DeploymentID("pool", "application")),  # another bundle, say
        RuntimeError("Deploying application failed"),
        ConnectionError("no cluster"),
        RayTaskError("greet", "traceback", ValueError()),  # type: ignore[no-untyped-call]
        AuthenticationError("another token"),
    ],
)
async def test_a_pool_that_cannot_be_joined_is_a_failure_at_once(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    engine, pauses = _joining(tiny_bundle, monkeypatch, iter([error, FailingHandle()]))
    await engine.start()
    assert not engine.ready
    assert engine.failure is not None
    assert engine.failure.startswith(type(error).__name__)
    assert pauses == []


async def test_a_pool_that_stays_lost_for_a_minute_is_a_failure(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, pauses = _joining(tiny_bundle, monkeypatch, repeat(ActorDiedError()))
    await engine.start()
    assert engine.failure is not None
    assert engine.failure.startswith("ActorDiedError")
    assert 60 <= sum(pauses) < 90


class FailingHandle:
    """A pool whose calls fail before they reach a replica."""

    def options(self, *, method_name: str) -> Self:
        assert method_name == "register"
        return self

    async def remote(self, *_: object) -> Reply:
        raise TimeoutError("of a socket")


async def test_a_timeout_within_a_call_is_not_its_deadline(
    tiny_bundle: Path, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = _joining(tiny_bundle, monkeypatch, iter([FailingHandle()]))
    await engine.start()
    with pytest.raises(TimeoutError, match="of a socket"):
        await engine.register(list(lesson.images), list(lesson.masks))


async def test_without_a_pool_nothing_is_put_into_an_object_store(
    tiny_bundle: Path, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray would start a cluster on this machine to put it into."""
    put: list[object] = []
    monkeypatch.setattr("ray.put", put.append)
    engine, _ = _joining(tiny_bundle, monkeypatch, iter([]))
    with pytest.raises(NotReadyError):
        await engine.segment(list(lesson.queries), [lesson.learned])
    assert put == []


async def test_a_full_object_store_is_worth_another_try(
    tiny_bundle: Path, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise ObjectStoreFullError

    monkeypatch.setattr("ray.put", refuse)
    engine, _ = _joining(tiny_bundle, monkeypatch, iter([FailingHandle()]))
    await engine.start()
    with pytest.raises(QueueFullError, match="no more classes fit into the pool") as refusal:
        await engine.segment(list(lesson.queries), [lesson.learned])
    assert (refusal.value.status, refusal.value.headers["Retry-After"]) == (503, "1")


async def test_the_deadline_counts_the_way_into_the_object_store(
    tiny_bundle: Path, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr("ray.put", lambda _: over.wait(20))
    engine, _ = _joining(tiny_bundle, monkeypatch, iter([FailingHandle()]), deadline_s=0.1)
    await engine.start()
    with pytest.raises(DeadlineExceededError):
        await engine.segment(list(lesson.queries), [lesson.learned])
    over.set()


async def test_the_service_ends_at_once_while_it_joins_a_pool(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = _joining(tiny_bundle, monkeypatch, repeat(ActorDiedError()))
    pausing = asyncio.Event()

    async def sleep(_: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(engine, "_sleep", sleep)
    watcher = BundleWatcher(ModelRegistry(engine))
    watcher.open()
    await asyncio.wait_for(pausing.wait(), 20)
    await asyncio.wait_for(watcher.close(), 20)
    assert not engine.ready


def test_a_misspelt_setting_is_refused_in_a_cluster_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSS_ENGINE", "ray")
    monkeypatch.setenv("FSS_RAY_MAX_REPLICA", "8")
    with pytest.raises(UnknownSettingError, match="no setting FSS_RAY_MAX_REPLICA"):
        build({})


async def test_prototypes_are_put_once_and_within_a_bound(cluster: object, lesson: Lesson) -> None:
    classes = [lesson.learned, SupportSet(lesson.learned.shots[:1])]
    references = References(classes[0].nbytes + classes[1].nbytes)
    first = references.to(classes[:1])
    again = replace(lesson.learned, side=400, judgements=np.zeros((3, 35), np.float32))
    assert references.to([again]) == first  # what tiles and reports need is not the engine's
    plain = replace(again, close_up=None)
    seen = replace(plain, identities=np.ones((3, 320), np.float16))
    other = replace(seen, identities=np.zeros((3, 320), np.float16))
    limited = replace(plain, unfamiliar=True)
    assert len({digest(each) for each in (again, plain, limited, seen, other, classes[1])}) == 6
    assert digest(replace(seen, close_up=again.close_up)) == digest(seen)  # which it goes by
    assert references.to(classes[1:]) != first
    assert references.nbytes == references.max_bytes
    both = references.to(classes)
    assert references.nbytes == references.max_bytes  # the others gave way
    assert references.to(classes[::-1]) != both
    assert references.to(classes[:1]) != first


def test_the_wait_is_the_pending_work_of_replicas_less_the_time_since() -> None:
    now = 100.0
    backlog = Backlog(lambda: now)
    assert backlog.wait_s() == 0
    backlog.tell(Reply("a", None, 6.0, ()))
    backlog.tell(Reply("b", None, 2.0, ()))
    assert backlog.wait_s() == 4.0
    now += 3
    assert backlog.wait_s() == 1.5  # b has been idle for a second
    now += 60
    assert backlog.wait_s() == 0  # nothing is known any more


class AnsweringHandle(FailingHandle):
    """A pool whose replica has learned this class."""

    def __init__(self, learned: SupportSet) -> None:
        self._learned = learned

    async def remote(self, *_: object) -> Reply:
        return Reply("a", self._learned, 0.0, ())


async def test_what_a_replica_learns_of_pixels_is_kept_outside_the_object_store(
    tiny_bundle: Path, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = np.arange(PIXEL_CLASSIFIER_SIZE, dtype=np.float32)
    handle = AnsweringHandle(replace(lesson.learned, pixel_classifier=numbers))
    engine, _ = _joining(tiny_bundle, monkeypatch, iter([handle]))
    await engine.start()
    learned = await engine.register(list(lesson.images), list(lesson.masks), adapt=True)
    np.testing.assert_array_equal(learned.pixel_classifier, numbers)
    assert not np.shares_memory(learned.pixel_classifier, numbers)
