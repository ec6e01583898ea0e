"""A real Ray cluster of several nodes on this machine."""

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import ray
from ray import serve
from ray.cluster_utils import Cluster

from service.assembly import create_engine
from service.engine.ray_pool import RayEngine
from service.engine.ray_pool.replica import EngineReplica
from service.ray_application import build
from service.settings import Settings
from tests.service.counted_runs import CountedRuns

_OBJECT_STORE_BYTES = 80_000_000
_POLL_S = 0.05
_DRAIN_POLL_S = 0.2  # meanwhile, handles are told that it is to end
_TOKEN = secrets.token_hex(32)
with socket.create_server(("127.0.0.1", 0)) as _listener:
    _PORT = _listener.getsockname()[1]


@contextmanager
def ray_cluster(bundle: Path, *, workers: int) -> Iterator[Cluster]:
    """A head without CPUs, to which this process is connected, and workers of one CPU each.

    Args:
        bundle: of applications that run there.
        workers: how many.
    """
    with pytest.MonkeyPatch.context() as environment:
        for name, value in _environment(bundle).items():
            environment.setenv(name, value)
        # How often it looks whether an application runs or is gone: once a second by default.
        environment.setattr("ray.serve._private.client.CLIENT_POLLING_INTERVAL_S", _POLL_S)
        # How often a replica that is to end looks whether it is idle: each two seconds by default.
        deployment = partial(serve.deployment, graceful_shutdown_wait_loop_s=_DRAIN_POLL_S)
        environment.setattr(serve, "deployment", deployment)
        cluster = Cluster(initialize_head=True, head_node_args=_node(num_cpus=0))
        try:
            for _ in range(workers):
                add_worker(cluster)
            ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
            serve.start(proxy_location="HeadOnly", http_options={"port": _PORT})
            yield cluster
        finally:
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()
            cluster.shutdown()  # type: ignore[no-untyped-call]


def _environment(bundle: Path) -> dict[str, str]:
    return {
        "RAY_AUTH_TOKEN": _TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "FSS_ENGINE": "ray",
        "FSS_BUNDLE": str(bundle),
        "FSS_INTRA_OP_THREADS": "1",
    }


def add_worker(cluster: Cluster) -> Any:
    """Another node of one CPU; only on the main thread, where Ray sets a signal's handler."""
    return cluster.add_node(**_node(num_cpus=1))


def _node(*, num_cpus: int) -> dict[str, Any]:
    return {
        "num_cpus": num_cpus,
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }


class CountedReplica(EngineReplica):
    """Tells how many images it has encoded since it was ready."""

    async def __init__(self, *arguments: Any) -> None:  # type: ignore[misc]  # Serve awaits it
        await super().__init__(*arguments)
        self._runs = CountedRuns(pytest.MonkeyPatch())

    async def encoded_images(self) -> int:
        return self._runs.images


@asynccontextmanager
async def pool_engine(bundle: Path, **settings: Any) -> AsyncIterator[RayEngine]:
    """An engine whose pool runs; the pool is ended behind it."""
    defaults: dict[str, Any] = {"intra_op_threads": 1, "ray_num_cpus": 1.0}
    engine = create_engine(Settings(engine="ray", bundle=bundle, **(defaults | settings)))
    assert isinstance(engine, RayEngine)
    await engine.start()
    assert engine.failure is None, engine.failure
    try:
        yield engine
    finally:
        await engine.stop()
        serve.delete(engine.pool.name)


@asynccontextmanager
async def application() -> AsyncIterator[httpx.AsyncClient]:
    """A client of HTTP replicas behind Serve's proxy, with their pool beside them."""
    await asyncio.to_thread(serve.run, build({}), name="application")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{_PORT}", timeout=60) as client:
        while (await client.get("/readyz")).status_code != 200:
            assert (await client.get("/healthz")).status_code == 200
        yield client
    serve.delete("application")
