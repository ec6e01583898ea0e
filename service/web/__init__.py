"""The playground: a page at `/` that talks to the public API alone."""

from service.web.files import load_files
from service.web.router import playground_router

__all__ = ["load_files", "playground_router"]
