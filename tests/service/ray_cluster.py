"""A real Ray cluster of several nodes on this machine."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.cluster_utils import Cluster

from service.app import create_engine
from service.engine.ray_pool import RayEngine
from service.settings import Settings

_OBJECT_STORE_BYTES = 80_000_000
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "PYTHONPATH": str(Path(__file__).parents[2]),
}


@contextmanager
def ray_cluster(*, workers: int) -> Iterator[Cluster]:
    """A head without CPUs, to which this process is connected, and workers of one CPU each."""
    os.environ.update(_ENVIRONMENT | {"RAY_AUTH_TOKEN": secrets.token_hex(32)})
    cluster = Cluster(initialize_head=True, head_node_args=_node(num_cpus=0))
    try:
        for _ in range(workers):
            add_worker(cluster)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield cluster
    finally:
        serve.shutdown()
        ray.shutdown()
        cluster.shutdown()


def add_worker(cluster: Cluster) -> Any:
    """Another node of one CPU."""
    return cluster.add_node(**_node(num_cpus=1))


def _node(*, num_cpus: int) -> dict[str, Any]:
    return {
        "num_cpus": num_cpus,
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }


@asynccontextmanager
async def pool_engine(bundle: Path, **settings: Any) -> AsyncIterator[RayEngine]:
    """An engine whose pool runs; the pool is ended behind it."""
    defaults = {"intra_op_threads": 1, "ray_num_cpus": 1.0}
    engine = create_engine(Settings(engine="ray", bundle=bundle, **(defaults | settings)))
    assert isinstance(engine, RayEngine)
    await engine.start()
    assert engine.failure is None, engine.failure
    try:
        yield engine
    finally:
        await engine.stop()
        serve.delete(engine.pool.name)
