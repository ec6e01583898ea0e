"""The HTTP server of the application, with reload and graceful shutdown."""

import asyncio
import signal
import socket
import threading

import uvicorn
from fastapi import FastAPI

from service.http_limits import BoundedProtocol
from service.settings import Settings


class Server(uvicorn.Server):
    """Reloads the bundles on SIGHUP, and begins to drain before it stops listening.

    uvicorn notifies the application last: probes would still say ready, and a slow upload would
    delay the shutdown until the limit.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and handle SIGHUP."""
        app: FastAPI = self.config.app  # type: ignore[assignment]
        if threading.current_thread() is threading.main_thread():
            reload = app.state.bundle_watcher.reload
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, within the limit; on SIGTERM and SIGINT."""
        app: FastAPI = self.config.app  # type: ignore[assignment]
        app.state.context.drain.begin()
        await super().shutdown(sockets)


def create_server(app: FastAPI, settings: Settings) -> Server:
    """A server of the application, not yet listening."""
    return Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=BoundedProtocol,
            ws="none",  # there are none, and uvicorn would log their paths
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            # uvicorn's default of 5 s is less than that of proxies, which would send requests on
            # connections that are about to close, and respond with 502.
            timeout_keep_alive=settings.keep_alive_s,
            timeout_graceful_shutdown=settings.drain_s,
        )
    )
