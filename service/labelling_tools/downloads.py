"""Bodies from Label Studio and the image origins, bounded in bytes and time."""

import asyncio

import httpx

from service.errors import InvalidRequestError, StudioError

_TIMEOUT_S = 10.0
_WHOLE_TIMEOUT_S = 30.0
_IDENTITY = "identity"
_TRANSIENT_STATUSES = frozenset({408, 425, 429})


class UndeliveredError(StudioError):
    """What Label Studio does not deliver, and a retry would not help."""


class UndeliveredImageError(UndeliveredError):
    """An image that Label Studio does not deliver, and a retry would not help."""


class UnauthorizedStudioError(StudioError):
    """A token is not accepted; a later one may be."""


class Downloads:
    """A client that follows no redirects, as they could lead to any host, and uses no proxies."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(
            headers={"Accept-Encoding": _IDENTITY},
            timeout=_TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
        )

    async def get(
        self,
        url: str,
        headers: dict[str, str],
        *,
        max_bytes: int,
        permanent_error: type[UndeliveredError],
    ) -> bytes:
        """The body at a URL.

        Raises:
            InvalidRequestError: there cannot be such a URL.
            UndeliveredError: of the type given, where a retry would not help.
            UnauthorizedStudioError: the token is not accepted.
            StudioError: it cannot be had now.
        """
        try:
            request = self._http.build_request("GET", url, headers=headers)
        except httpx.InvalidURL as exc:  # such as one that is too long
            raise InvalidRequestError("the address of the image is not valid") from exc
        return await self._send(request, max_bytes, permanent_error)

    async def post(self, url: str, message: dict[str, str], *, max_bytes: int) -> bytes:
        """The body of the response to a message. Raises: StudioError."""
        request = self._http.build_request("POST", url, json=message)
        return await self._send(request, max_bytes, permanent_error=StudioError)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(
        self, request: httpx.Request, max_bytes: int, permanent_error: type[StudioError]
    ) -> bytes:
        try:
            # Of the whole response: httpx bounds only the wait for each chunk.
            async with asyncio.timeout(_WHOLE_TIMEOUT_S):
                response = await self._http.send(request, stream=True)
                try:
                    return await _body(response, max_bytes, permanent_error)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, TimeoutError) as exc:
            raise StudioError(f"Label Studio cannot be reached ({type(exc).__name__})") from exc


async def _body(
    response: httpx.Response, max_bytes: int, permanent_error: type[StudioError]
) -> bytes:
    """The body of a response; raises `permanent_error` where a retry would not help."""
    status = response.status_code
    if status != httpx.codes.OK:
        raise _error_of(status, permanent_error)(f"Label Studio answers {status}")
    if response.headers.get("Content-Encoding", _IDENTITY).lower() != _IDENTITY:
        # Decompressed, a few bytes could take all memory before they are counted.
        raise permanent_error("Label Studio sends a compressed body")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise permanent_error(f"Label Studio sends more than {max_bytes} bytes")
    return bytes(body)


def _error_of(status: int, permanent_error: type[StudioError]) -> type[StudioError]:
    if status == httpx.codes.UNAUTHORIZED:
        return UnauthorizedStudioError
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _TRANSIENT_STATUSES:
        return StudioError
    return permanent_error
