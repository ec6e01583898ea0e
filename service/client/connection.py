"""Address, headers and timeouts of the connection to the service, for both transports."""

import ipaddress
import os
from typing import Any

import httpx

from service import __version__
from service.client.errors import InvalidInputError
from service.schemas import EVENTS_PING_S

URL_VARIABLE = "FSS_CLIENT_URL"
KEY_VARIABLE = "FSS_CLIENT_KEY"
DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 90.0
"""Longer than the default deadline of a request in the service."""
_CONNECT_S = 5.0
# Packing a job of a million images takes less.
_LONG_READ_S = 4 * 3600.0
LONG_TIMEOUT = httpx.Timeout(TIMEOUT_S, connect=_CONNECT_S, read=_LONG_READ_S)
"""For responses that begin only once the service has processed a whole data set."""
EVENTS_TIMEOUT = httpx.Timeout(TIMEOUT_S, connect=_CONNECT_S, read=4 * EVENTS_PING_S)
"""For streams of events, in which nothing may happen for hours, but for pings."""


def connection(url: str | None, key: str | None, timeout_s: float) -> dict[str, Any]:
    """Keyword arguments of httpx's clients.

    Args:
        url: of the service; None: `FSS_CLIENT_URL`, else this machine at port 8000.
        key: an API key; None: `FSS_CLIENT_KEY`, else none is shown.
        timeout_s: for each chunk of a response, the first included.

    Raises:
        InvalidInputError.
    """
    address = _address(url or os.environ.get(URL_VARIABLE) or DEFAULT_URL)
    shown = key or os.environ.get(KEY_VARIABLE)
    headers = {"User-Agent": f"fss-client/{__version__}"}
    if shown:
        if not is_header_value(shown):
            raise InvalidInputError("the key holds characters or outer spaces that no key has")
        headers["Authorization"] = f"Bearer {shown}"
    return {
        "base_url": address,
        "headers": headers,
        "timeout": httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
        # A proxy named in the environment is none of the loopback's business.
        "trust_env": not _is_loopback(address.host),
    }


def is_header_value(text: str) -> bool:
    """Whether a header can have this value; HTTP drops spaces around it."""
    return text.isascii() and text.isprintable() and text == text.strip()


def _address(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as exc:
        raise InvalidInputError(f"{text!r} is no address: {exc}") from exc
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidInputError(f"{text!r} is no address of a service, such as {DEFAULT_URL}")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
