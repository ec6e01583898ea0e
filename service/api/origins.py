"""Pages of other origins may change nothing in a service without keys.

Without CORS a browser keeps the answer from such a page, but it sends a simple request first. Where
the page's own name is made to lead to this machine (DNS rebinding), the browser takes the service
for the page's own. So the service answers to addresses, and to names that nobody can own in the
public DNS, whatever it listens on: in a container that is every address, however few reach it.
"""

import re
from ipaddress import ip_address
from socket import gethostname

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import ForeignOriginError

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Browsers leave the port of the scheme out, some proxies do not.
_DEFAULT_PORT = re.compile(r":(?:80|443)$")
_PORT = re.compile(r":\d*$")
# Reserved for this machine, its network, and private use (RFC 6761, RFC 6762, RFC 8375; ICANN for
# the last but one), and what Kubernetes puts behind the namespace of a service.
_LOCAL = (".localhost", ".local", ".home.arpa", ".internal", ".svc")


class SameOriginMiddleware:
    """Refuses what a page of another origin would change, and everything under a public name.

    `Sec-Fetch-Site` is believed: no page can set it. Where a browser does not send it (to plain
    HTTP on other machines), `Origin` must name the host of the request. Programs send neither.

    Args:
        app: the application.
        allowed: further origins whose pages may make any request; the names in them are the
            service's own, too.
    """

    def __init__(self, app: ASGIApp, *, allowed: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)
        self._names = {_without_port(each.partition("://")[2]) for each in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            self._require_own_name(headers)
            if scope["method"] not in _SAFE_METHODS:
                self._require_own_origin(headers)
        await self._app(scope, receive, send)

    def _require_own_name(self, headers: Headers) -> None:
        """No browser leaves `Host` out."""
        name = _without_port(headers.get("host", "localhost"))
        if not _is_local(name) and name not in self._names:
            raise ForeignOriginError(
                "without API keys the service answers to addresses and local names alone; add the "
                "origin of this host to FSS_CORS_ORIGINS"
            )

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


def _is_local(host: str) -> bool:
    """Whether no owner of a public name can have made it lead here: an address, or a local name.

    Names of a single label, such as those of compose, are top-level domains or nobody's.
    """
    name = host.rstrip(".")
    if name and ("." not in name or name == gethostname().lower() or name.endswith(_LOCAL)):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _without_port(place: str) -> str:
    return _PORT.sub("", place.lower())


def _named(place: str) -> str:
    return _DEFAULT_PORT.sub("", place.lower())
