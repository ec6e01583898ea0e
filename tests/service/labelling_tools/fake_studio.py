"""A small Label Studio: answers of the shape that version 1.23 gives, over a real socket."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = "legacy-token"  # noqa: S105 (of nothing)
PERSONAL = "eyJh.eyJi.c2ln"
CONFIG = (
    '<View><Image name="image" value="$image"/>'
    '<BrushLabels name="tag" toName="image"><Label value="thing"/></BrushLabels></View>'
)


class Studio:
    """What it holds, and what it was asked for: pairs of path and Authorization."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.config = CONFIG
        self.tasks: list[dict[str, Any]] = []
        self.images: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.statuses: dict[str, int] = {}
        self.encodings: dict[str, str] = {}
        self.access = "fresh-access"
        """The access token that it gives, the only one that it accepts."""
        self.asked: list[tuple[str, str | None]] = []
        self.before: Callable[[str], object] = lambda path: None
        """What it does before it answers a path."""

    def answer(self, path: str) -> bytes | None:
        if path.startswith("/api/projects/"):
            return json.dumps({"id": 1, "label_config": self.config}).encode()
        if path == "/api/tasks":
            return json.dumps({"total": len(self.tasks), "tasks": self.tasks}).encode()
        if path == "/api/token/refresh/":
            return json.dumps({"access": self.access}).encode()
        return self.images.get(path)


@contextmanager
def label_studio() -> Iterator[Studio]:
    """A Label Studio on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            shown = self.headers.get("Authorization")
            studio.asked.append((path, shown))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            studio.before(path)
            body = studio.answer(path)
            target = studio.redirects.get(path)
            usual = 302 if target else 404 if body is None else 200
            if shown and shown.startswith("Bearer ") and shown != f"Bearer {studio.access}":
                usual = 401
            self.send_response(studio.statuses.get(path, usual))
            if target:
                self.send_header("Location", target)
            if path in studio.encodings:
                self.send_header("Content-Encoding", studio.encodings[path])
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        do_POST = do_GET  # noqa: N815 (the name that http.server looks for)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    studio = Studio(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield studio
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
