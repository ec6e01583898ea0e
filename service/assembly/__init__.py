"""Creates the parts of the application from the settings."""

from service.assembly.engines import (
    create_bundle_folder,
    create_bundle_watcher,
    create_engine,
    create_loader,
    describe_build,
)
from service.assembly.parts import (
    create_access,
    create_jobs,
    create_mirror,
    create_resources,
    create_store,
    create_tracer,
)

__all__ = [
    "create_access",
    "create_bundle_folder",
    "create_bundle_watcher",
    "create_engine",
    "create_jobs",
    "create_loader",
    "create_mirror",
    "create_resources",
    "create_store",
    "create_tracer",
    "describe_build",
]
