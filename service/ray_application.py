"""What a RayService runs: HTTP replicas and, behind them, the pool; its `import_path`.

Where the HTTP tier is a process of its own, as with `python -m service`, this is not needed.
"""

from fastapi import FastAPI

from service.api import ApiContext
from service.app import create_app
from service.assembly import create_engine
from service.engine.ray_pool import Application, RayEngine, http_tier
from service.environment import read_settings
from service.telemetry import configure_logging


def build(_: dict[str, str]) -> Application:
    """The application of the settings in the environment, which all nodes have alike.

    Raises:
        ValueError: the settings name another engine, or a variable looks like a setting and is
            none.
    """
    engine = create_engine(read_settings())
    if not isinstance(engine, RayEngine):
        raise ValueError("a Ray cluster serves the engine ray only: set FSS_ENGINE=ray")
    return http_tier(_http_replica, engine_failure, [engine.pool])


def _http_replica() -> FastAPI:
    settings = read_settings()
    configure_logging(settings.log_level)
    return create_app(settings)


def engine_failure(app: FastAPI) -> str | None:
    """Why `/healthz` fails for good, if so: no kubelet asks a Serve replica for it."""
    context: ApiContext = app.state.context
    return context.resources.models.failure
