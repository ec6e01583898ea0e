"""The HTTP server around the application, and how it ends."""

import asyncio
import signal
import socket
import threading

import uvicorn
from fastapi import FastAPI

from service.http_limits import BoundedHeads
from service.settings import Settings


class Server(uvicorn.Server):
    """Has the bundles looked at again on SIGHUP, as is usual, instead of ending.

    And tells the application that the end has come before it closes the door.

    uvicorn by itself tells it last: probes would still say ready, and a body that trickles in
    would hold up the end until the limit.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, to SIGHUP too."""
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
            http=BoundedHeads,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            # uvicorn's own 5 s are less than proxies keep connections: they would send requests on
            # one that is about to close, and answer 502.
            timeout_keep_alive=settings.keep_alive_s,
            timeout_graceful_shutdown=settings.drain_s,
        )
    )
