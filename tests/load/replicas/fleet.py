"""Several services on one Redis, and one alone, each a process."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.load.faults.redis_process import RedisProcess, redis_running
from tests.load.replicas.nginx_process import NginxProcess, nginx_running
from tests.load.service_process import WITHOUT_CACHES, BundleName, ServiceProcess, bundle_path

# Never reached; it is there so that requests are counted, and the counts shared.
RATE_LIMIT = 10_000_000


@dataclass(frozen=True)
class Fleet:
    """Replicas behind a balancer, and a single one behind another.

    redis: what all of them share.
    replicas: each with its part of the CPUs.
    threads, single_threads: of each replica, and of the single one.
    door: of the replicas.
    single_door: of the single one.
    """

    redis: RedisProcess
    replicas: tuple[ServiceProcess, ...]
    threads: int
    single_threads: int
    door: NginxProcess
    single_door: NginxProcess


@asynccontextmanager
async def fleet_running(folder: Path, bundle: BundleName, count: int) -> AsyncIterator[Fleet]:
    """A fleet that is ready, for the block.

    Raises:
        ServiceProcessError: a program is not installed or did not start.
    """
    async with redis_running(folder) as redis:
        path = bundle_path(bundle, folder)
        cpus = len(os.sched_getaffinity(0))
        threads = max(1, cpus // count)
        single_threads = threads if has_room(count) else cpus
        replicas = tuple(_service(folder, path, redis, threads) for _ in range(count))
        single = _service(folder, path, redis, single_threads)
        try:
            await asyncio.gather(*(each.start() for each in (*replicas, single)))
            ports = [each.port for each in replicas]
            async with (
                nginx_running(folder / "nginx", ports) as door,
                nginx_running(folder / "nginx-single", [single.port]) as single_door,
            ):
                yield Fleet(redis, replicas, threads, single_threads, door, single_door)
        finally:
            await asyncio.gather(*(asyncio.to_thread(each.stop) for each in (*replicas, single)))


def has_room(count: int) -> bool:
    """Whether each replica has CPUs of its own here, with some left for clients and Redis.

    If so, the single service gets as many as one of them; if not, all there are.
    """
    return len(os.sched_getaffinity(0)) >= 2 * count


def _service(folder: Path, bundle: Path, redis: RedisProcess, threads: int) -> ServiceProcess:
    return ServiceProcess(
        folder,
        {
            "FSS_BUNDLE": str(bundle),
            "FSS_STORE_URL": redis.url,
            "FSS_RATE_LIMIT": f"{RATE_LIMIT}/day",
            "FSS_INTRA_OP_THREADS": str(threads),
            "FSS_CODEC_THREADS": str(threads),
            # The single one was asked everything while it idled: it would only have to remember.
            **WITHOUT_CACHES,
        },
    )
