"""The HTTP tier as Serve replicas, for clusters run by Ray (a RayService)."""

from collections.abc import Callable, Sequence

from ray import serve
from ray.serve import Application as Application

from service.engine.ray_pool.pool import Pool


def http_tier(build_app: Callable[[], object], pools: Sequence[Pool]) -> Application:
    """A Serve application of pools and, before them, replicas of an ASGI application.

    Args:
        build_app: makes the ASGI application; called in each replica.
        pools: the pools that it sends requests to.
    """
    tier = serve.deployment(name="http")(serve.ingress(build_app)())
    application: Application = tier.bind(*(pool.application for pool in pools))
    return application
