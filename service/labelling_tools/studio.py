"""A client of the Label Studio and the image origins that the settings name, and no others."""

import asyncio
import base64
import json
import re
import time
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from service.errors import InvalidRequestError, StudioError

_TIMEOUT_S = 10.0
_WHOLE_TIMEOUT_S = 30.0
_ACCESS_TOKEN_S = 240.0  # access tokens of Label Studio live for five minutes
_PAGE = 100
_MAX_JSON_BYTES = 64 * 1024 * 1024
# Paths that hold images. Others must not be reachable by those who write tasks.
_IMAGE_PATHS = re.compile(
    r"/(data|storage-data)/|/(api/)?(tasks|projects)/\d+/(resolve|presign)/?$"
)
_DATA_URI = re.compile(r"data:image/[a-z.+-]+;base64,")
_ANNOTATED = {
    "ordering": ["-tasks:updated_at"],
    "filters": {
        "conjunction": "and",
        "items": [
            {
                "filter": "filter:tasks:total_annotations",
                "operator": "greater",
                "type": "Number",
                "value": 0,
            }
        ],
    },
}

# A later request may succeed, as once the operator has corrected the token.
_TRANSIENT_STATUSES = frozenset({401, 408, 425, 429})

Body = TypeVar("Body", bound=BaseModel)


class UndeliveredImageError(StudioError):
    """An image that Label Studio does not deliver, and a retry would not help."""


class Annotation(BaseModel):
    """What somebody drew in a task; `result` is validated region by region."""

    id: int
    updated_at: str
    was_cancelled: bool = False
    result: list[Any] = []


class Task(BaseModel):
    """An image to label, and what was drawn in it."""

    id: int
    data: dict[str, Any]
    annotations: list[Annotation] = []


class _Project(BaseModel):
    label_config: str = ""


class _Page(BaseModel):
    tasks: list[Task] = []


class _Access(BaseModel):
    access: str = Field(pattern=r"^[\x21-\x7e]{1,4096}$")


class LabelStudio:
    """A client with the operator's token, legacy or personal.

    Args:
        url: of Label Studio, without a slash at its end.
        token: sent to `url` alone.
        image_origins: from where images may be fetched besides, without the token.
        max_bytes: of an image.
    """

    def __init__(
        self, url: str, token: str, image_origins: tuple[str, ...], *, max_bytes: int
    ) -> None:
        self.url = url
        self.token = token
        self._image_origins = frozenset(_split(origin)[0] for origin in image_origins)
        self._max_bytes = max_bytes
        self._access: tuple[str, float] = ("", 0.0)
        # Redirects could lead to any host; proxies are not part of the settings.
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False)

    async def label_config(self, project: int) -> str:
        """The XML of a project. Raises: StudioError."""
        return (await self._json(_Project, f"/api/projects/{project}")).label_config

    async def annotated_tasks(self, project: int) -> list[Task]:
        """The last tasks of a project that somebody annotated, newest first; 100 at most.

        Raises:
            StudioError.
        """
        query = {"project": str(project), "fields": "all", "page_size": str(_PAGE)}
        query["query"] = json.dumps(_ANNOTATED)
        return (await self._json(_Page, "/api/tasks", query)).tasks

    async def image(self, address: object) -> bytes:
        """The image that a task names: from Label Studio, an origin of the settings, or inline.

        Raises:
            InvalidRequestError: it lies elsewhere.
            UndeliveredImageError: it is gone, forbidden, redirected or too large.
            StudioError: it cannot be had now.
        """
        if not isinstance(address, str):
            raise InvalidRequestError("the task's data do not name an image")
        if inline := _DATA_URI.match(address):
            return self._inline(address[inline.end() :])
        url = self.url + address if address.startswith("/") else address
        origin, path = _split(url)
        if origin == _split(self.url)[0]:
            inside = path.removeprefix(urlsplit(self.url).path)
            if not _IMAGE_PATHS.match(inside):
                raise InvalidRequestError("this path of Label Studio holds no images")
            return await self._fetch_image(url, await self._headers())
        if origin in self._image_origins:
            return await self._fetch_image(url, {})
        raise InvalidRequestError(
            "the image is neither in Label Studio nor at an origin of "
            "FSS_LABEL_STUDIO_IMAGE_ORIGINS"
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _inline(self, text: str) -> bytes:
        try:
            return base64.b64decode(text, validate=True)
        except ValueError as exc:
            raise InvalidRequestError("the data URI of the image is not valid base64") from exc

    async def _fetch_image(self, url: str, headers: dict[str, str]) -> bytes:
        return await self._get(url, headers, self._max_bytes, permanent_error=UndeliveredImageError)

    async def _json(
        self, model: type[Body], path: str, query: dict[str, str] | None = None
    ) -> Body:
        url = str(httpx.URL(self.url + path, params=query))
        body = await self._get(url, await self._headers(), _MAX_JSON_BYTES)
        return _read(model, body)

    async def _headers(self) -> dict[str, str]:
        """Legacy tokens are sent as such, personal ones (JWTs) exchanged for an access token."""
        if self.token.count(".") != 2:
            return {"Authorization": f"Token {self.token}"}
        access, until = self._access
        if time.monotonic() >= until:
            body = await self._send(
                self._http.build_request(
                    "POST", f"{self.url}/api/token/refresh/", json={"refresh": self.token}
                ),
                _MAX_JSON_BYTES,
            )
            access = _read(_Access, body).access
            self._access = access, time.monotonic() + _ACCESS_TOKEN_S
        return {"Authorization": f"Bearer {access}"}

    async def _get(
        self,
        url: str,
        headers: dict[str, str],
        max_bytes: int,
        permanent_error: type[StudioError] = StudioError,
    ) -> bytes:
        try:
            request = self._http.build_request("GET", url, headers=headers)
        except httpx.InvalidURL as exc:  # such as one that is too long
            raise InvalidRequestError("the address of the image is not valid") from exc
        return await self._send(request, max_bytes, permanent_error)

    async def _send(
        self,
        request: httpx.Request,
        max_bytes: int,
        permanent_error: type[StudioError] = StudioError,
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
        is_transient = status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _TRANSIENT_STATUSES
        raise (StudioError if is_transient else permanent_error)(f"Label Studio answers {status}")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise permanent_error(f"Label Studio sends more than {max_bytes} bytes")
    return bytes(body)


def _read(model: type[Body], body: bytes) -> Body:
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        raise StudioError("Label Studio answers something unexpected") from exc


def _split(url: str) -> tuple[str, str]:
    """Origin and path of a URL.

    Raises:
        InvalidRequestError: it could be read in more than one way.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError as exc:
        raise InvalidRequestError("the address of the image is not valid") from exc
    path = unquote(unquote(parts.path))
    odd = "\\" in url or "//" in path or any(each in (".", "..") for each in path.split("/"))
    if odd or "@" in parts.netloc or not url.isprintable() or " " in url:
        raise InvalidRequestError("the address of the image is not valid")
    return f"{parts.scheme}://{parts.hostname}:{port}", parts.path
