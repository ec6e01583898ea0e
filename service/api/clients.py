"""Identifies the client of a request and applies its limits, before the body is read."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from service.access import Access, Client, Quota, client_of_address
from service.api.tool_keys import tool_key
from service.errors import RateLimitedError, UnauthorizedError
from service.schemas import KEY_HEADER
from service.sessions import codec_client

RATE_LIMIT_HEADERS = ("RateLimit", "RateLimit-Policy")

_ABOUT = "A key of `fss key`; needed where the service has keys."
_bearer = HTTPBearer(scheme_name="bearer", description=_ABOUT, auto_error=False)
_header = APIKeyHeader(name=KEY_HEADER, scheme_name="header", description=_ABOUT, auto_error=False)


BearerKey = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
HeaderKey = Annotated[str | None, Security(_header)]


def presented_key(request: Request, bearer: BearerKey, header: HeaderKey) -> str | None:
    """The API key of a request, valid or not; a bearer token takes precedence."""
    if bearer is not None:
        return bearer.credentials
    return header or tool_key(request.headers)


@asynccontextmanager
async def admit_client(request: Request, access: Access, key: str | None) -> AsyncIterator[Client]:
    """The client, also put in `request.state.client`; the block holds one of its slots.

    Raises:
        UnauthorizedError, TooManyRequestsError, RateLimitedError.
    """
    host = request.client.host if request.client else None
    try:
        client = access.identify(key, host)
    except UnauthorizedError:
        await _count(request, access, client_of_address(host))  # so that keys cannot be guessed
        raise
    with access.request_slots.hold(client.name), codec_client(client.name):
        await _count(request, access, client)
        request.state.client = client
        yield client


async def _count(request: Request, access: Access, client: Client) -> None:
    """Count a request of a client; the response tells what is left.

    Raises:
        RateLimitedError: the client has sent as many as it may.
    """
    if access.rate_limits is None:
        return
    verdict = await access.rate_limits.take(client.name)
    request.state.response_headers = _rate_headers(verdict.quotas)
    if verdict.retry_after_s is not None:
        raise RateLimitedError(verdict.retry_after_s)


def _rate_headers(quotas: tuple[Quota, ...]) -> dict[str, str]:
    """In the syntax of the IETF draft "RateLimit header fields for HTTP"."""
    if not quotas:
        return {}
    names = [f'"{quota.limit}-per-{quota.window_s}s"' for quota in quotas]
    left = (
        f"{name};r={quota.remaining};t={math.ceil(quota.reset_s)}"
        for name, quota in zip(names, quotas, strict=True)
    )
    policy = (
        f"{name};q={quota.limit};w={quota.window_s}"
        for name, quota in zip(names, quotas, strict=True)
    )
    return dict(zip(RATE_LIMIT_HEADERS, (", ".join(left), ", ".join(policy)), strict=True))
