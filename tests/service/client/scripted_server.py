"""A server whose responses are a script."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, object] | bytes, dict[str, str]]


class Scripted:
    """Answers requests from a list, the last answer for ever; `asked` holds their paths.

    An answer is a document, or a body as it stands: one that is shorter than it was announced to
    be is a connection that broke.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    def take(self, path: str, headers: dict[str, str]) -> Answer:
        self.asked.append(path)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def scripted(script: Scripted) -> Iterator[str]:
    """The address of a server that follows a script."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, body, headers = script.take(self.path, dict(self.headers))
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - names of http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def problem(status: int, code: str) -> dict[str, object]:
    """A problem document."""
    return {
        "type": f"urn:fss:problem:{code}",
        "title": code,
        "status": status,
        "detail": "as the script says",
        "code": code,
    }
