"""An engine whose devices are a pool of Ray Serve replicas; see docs/ray.md and docs/adr/0027.

The only part of the service that imports Ray, and imported only where it is asked for: Ray takes
seconds to import, and most run without it.
"""

from service.engine.ray_pool.engine import RayEngine
from service.engine.ray_pool.ingress import Application, http_tier
from service.engine.ray_pool.pool import PoolOptions

__all__ = ["Application", "PoolOptions", "RayEngine", "http_tier"]
