"""The HTTP tier as Serve replicas, for clusters run by Ray (a RayService)."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ray import serve
from ray.serve import Application as Application

from service.engine.ray_pool.pool import Pool

App = TypeVar("App")


def http_tier(
    build_app: Callable[[], App], failure: Callable[[App], str | None], pools: Sequence[Pool]
) -> Application:
    """A Serve application of pools and, before them, replicas of an ASGI application.

    Args:
        build_app: makes the ASGI application; called in each replica.
        failure: why an ASGI application will never infer again, if so.
        pools: the pools that it sends requests to.
    """
    tier = serve.deployment(name="http")(serve.ingress(build_app)(_replica_class(failure)))
    application: Application = tier.bind(*(pool.application for pool in pools))
    return application


def _replica_class(failure: Callable[[Any], str | None]) -> type:
    """The deployment's class, made here since Serve fills it with the application."""

    class HttpReplica:
        app: object  # which `serve.ingress` sets

        def __init__(self, *pools: object) -> None:
            """Take the handles to the pools, which engines find by name."""

        def check_health(self) -> None:
            """Tell Serve to replace a replica that will never infer again.

            Raises:
                RuntimeError.
            """
            reason = failure(self.app)
            if reason is not None:
                raise RuntimeError(reason)

    return HttpReplica
