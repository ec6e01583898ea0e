"""The pool of replicas as a Ray Serve deployment, and handles to it."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray import serve
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus

from model.contract import Manifest
from service.engine.detached import detached
from service.engine.options import EngineOptions
from service.engine.ray_pool.replica import EngineReplica
from service.engine.ray_pool.reply import Reply

_NAME_DIGITS = 12
# New replicas within seconds of a queue; a replica that goes takes its encoded images along.
_UPSCALE_DELAY_S, _DOWNSCALE_DELAY_S = 5, 600
_GONE = {ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.DELETING, ApplicationStatus.NOT_STARTED}
_HEALTH_PERIOD_S, _HEALTH_TIMEOUT_S = 5, 30


Handle = DeploymentHandle[Any]


class PoolOptions(NamedTuple):
    """Size and bounds of a pool; the settings `FSS_RAY_*` and `FSS_DRAIN_S` say what each means."""

    num_cpus: float
    num_gpus: float
    min_replicas: int
    max_replicas: int
    target_requests: int
    max_ongoing: int
    max_queued: int
    drain_s: float


class Pool:
    """The replicas of one bundle.

    A pool is named by what its bundle holds, so replicas never meet prototypes of another network:
    another revision is another pool, beside the first. The same bundle with other options is the
    same pool, whose replicas Serve exchanges one by one.

    Args:
        bundle: directory, the same on every node.
        manifest: of the bundle.
        engine: options of each replica's engine.
        options: size and bounds.
    """

    def __init__(
        self, bundle: Path, manifest: Manifest, engine: EngineOptions, options: PoolOptions
    ) -> None:
        self.name = f"{manifest.name}-{_digest(manifest.model_dump_json())}"
        self.revision = _digest(repr((bundle, engine, options)))
        self.application = serve.deployment(
            name=self.name,
            max_ongoing_requests=options.max_ongoing,
            max_queued_requests=options.max_queued,
            autoscaling_config={
                "min_replicas": options.min_replicas,
                "max_replicas": options.max_replicas,
                "target_ongoing_requests": options.target_requests,
                "upscale_delay_s": _UPSCALE_DELAY_S,
                "downscale_delay_s": _DOWNSCALE_DELAY_S,
            },
            ray_actor_options={"num_cpus": options.num_cpus, "num_gpus": options.num_gpus},
            graceful_shutdown_timeout_s=options.drain_s,
            health_check_period_s=_HEALTH_PERIOD_S,
            health_check_timeout_s=_HEALTH_TIMEOUT_S,
        )(EngineReplica).bind(str(bundle), manifest, engine, self.revision)

    async def join(self) -> Handle:
        """A handle to the pool, a replica of which is ready; the pool is made if there is none.

        One that runs with other options is brought to these. Inside a Serve application, which
        brings its pools along, there is nothing to make.

        Raises:
            ConnectionError: there is no cluster.
            RuntimeError: the pool does not start.
            ray.exceptions.RayError, ray.serve.exceptions.RayServeException: Ray has lost a part of
                it, or refuses.
        """
        handle = await detached(self._find, name="find-pool")
        if handle is not None:
            greeting: Reply = await handle.greet.remote()
            if _inside_an_application() or greeting.result == self.revision:
                return handle
        handle = await detached(self._deploy, name="deploy-pool")
        await handle.greet.remote()
        return handle

    def _find(self) -> Handle | None:
        if _inside_an_application():
            return serve.get_deployment_handle(self.name)
        if not ray.is_initialized():
            # RAY_ADDRESS, or else the cluster that this machine is a node of.
            ray.init(address="auto", log_to_driver=False, configure_logging=False)
        serve.start(proxy_location="Disabled")
        found = serve.status().applications.get(self.name)
        if found is None or found.status in _GONE:
            return None
        return serve.get_deployment_handle(self.name, self.name)

    def _deploy(self) -> Handle:
        return serve.run(self.application, name=self.name, route_prefix=None)


def _inside_an_application() -> bool:
    try:
        serve.get_replica_context()
    except RayServeException:
        return False
    return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_NAME_DIGITS]
