"""Pages of other origins may change nothing in a service without keys.

Without CORS a browser keeps the answer from such a page, but it sends a simple request first.
"""

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import ForeignOriginError

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Browsers leave the port of the scheme out, some proxies do not.
_DEFAULT_PORT = re.compile(r":(?:80|443)$")


class OwnOrigins:
    """Refuses requests that a page of another origin makes, except those that read.

    `Sec-Fetch-Site` is believed: no page can set it. Where a browser does not send it (to plain
    HTTP on other machines), `Origin` must name the host of the request. Programs send neither.

    Args:
        app: the application.
        allowed: further origins whose pages may make any request.
    """

    def __init__(self, app: ASGIApp, *, allowed: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            self._require_own_origin(Headers(scope=scope))
        await self._app(scope, receive, send)

    def _require_own_origin(self, headers: Headers) -> None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self._allowed or site in {"same-origin", "none"}:
            return
        if site is not None or (origin is not None and not _is_of_host(origin, headers)):
            raise ForeignOriginError


def _is_of_host(origin: str, headers: Headers) -> bool:
    """Whether an origin, by either scheme, is the host that was asked; `null` is none."""
    _, scheme_ends, place = origin.partition("://")
    return bool(scheme_ends) and _named(place) == _named(headers.get("host", ""))


def _named(place: str) -> str:
    return _DEFAULT_PORT.sub("", place.lower())
