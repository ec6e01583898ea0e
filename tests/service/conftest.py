"""Bundles, engines and applications for the service's tests."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import redis

from service.app import create_app
from service.engine import FakeEngine, OnnxEngine
from service.settings import SHIPPED_BUNDLE, Settings
from tests.service.engines import CountingEngine, usual_options
from tests.service.http_api import running
from tests.service.processes import serving
from tests.service.redis_server import RedisServer
from tests.service.tiny_bundle import write_tiny_bundle

_BUNDLES = ["tiny", *(["shipped"] if (SHIPPED_BUNDLE / "manifest.json").exists() else [])]


@pytest.fixture
def redis_directory() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="fss-") as directory:
        yield Path(directory)


@pytest.fixture
def own_redis(redis_directory: Path) -> Iterator[RedisServer]:
    """A server that no other test uses, to be counted on or maltreated."""
    server = RedisServer(redis_directory)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_client(own_redis: RedisServer) -> Iterator[redis.Redis]:
    """Who may do anything on it."""
    with redis.Redis.from_url(own_redis.url) as client:
        yield client


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A server for all tests, each of which uses a prefix of its own."""
    with tempfile.TemporaryDirectory(prefix="fss-") as directory:
        server = RedisServer(Path(directory))
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a real service with jobs over the fake engine listens, for all tests of clients."""
    folder = tmp_path_factory.mktemp("server")
    environment = {"FSS_ENGINE": "fake", "FSS_JOBS_DIR": str(folder / "jobs")}
    with serving(folder / "log", environment) as server:
        yield str(server.client.base_url)


@pytest.fixture
def prefix() -> str:
    """Of the keys of one test."""
    return secrets.token_hex(8)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(params=_BUNDLES)
def bundle(request: pytest.FixtureRequest, tiny_bundle: Path) -> Path:
    """Every bundle there is."""
    return tiny_bundle if request.param == "tiny" else SHIPPED_BUNDLE


@pytest.fixture
def settings(tiny_bundle: Path) -> Settings:
    return Settings(bundle=tiny_bundle, intra_op_threads=1, codec_threads=2)


@pytest.fixture
async def engine(tiny_bundle: Path) -> AsyncIterator[OnnxEngine]:
    """A running engine over the tiny bundle."""
    engine = OnnxEngine(tiny_bundle, usual_options())
    await engine.start()
    assert engine.failure is None
    yield engine
    await engine.stop()


@pytest.fixture
def fake_engine() -> CountingEngine:
    return CountingEngine()


@pytest.fixture
async def client(settings: Settings, fake_engine: FakeEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application over the fake engine."""
    async with running(create_app(settings, engine=fake_engine)) as client:
        yield client
