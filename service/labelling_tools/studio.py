"""A client of the Label Studio and the image origins that the settings name, and no others."""

import asyncio
import base64
import json
import re
import time
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote, urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from service.errors import InvalidRequestError, StudioError
from service.labelling_tools.downloads import (
    Downloads,
    UnauthorizedStudioError,
    UndeliveredError,
    UndeliveredImageError,
)
from service.units import MIB

_ACCESS_TOKEN_S = 240.0  # access tokens of Label Studio live for five minutes
_NO_ACCESS = ("", 0.0)
_PAGE = 100
_MAX_JSON_BYTES = 64 * MIB
# Of arrays and objects, which take dozens of times their two bytes.
_MAX_JSON_PARTS = 1_000_000
# A longer one is hardly an address, and to look at it would hold up everybody.
_MAX_ADDRESS_CHARACTERS = 8192
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

# Of lists as long as a client likes: each error takes hundreds of times what it is about.
FIRST_ERROR = Field(fail_fast=True)

Body = TypeVar("Body", bound=BaseModel)


class Annotation(BaseModel):
    """What somebody drew in a task; `result` is validated region by region."""

    id: int
    updated_at: str
    was_cancelled: bool = False
    result: list[Any] = []


class ImageTask(BaseModel):
    """An image to label."""

    id: int
    data: dict[str, Any]


class Task(ImageTask):
    """An image to label, and what was drawn in it."""

    annotations: Annotated[list[Annotation], FIRST_ERROR] = []


class _Project(BaseModel):
    label_config: str = ""


class _Page(BaseModel):
    tasks: Annotated[list[Task], FIRST_ERROR] = []


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
        self._is_personal = token.count(".") == 2
        self._image_origins = frozenset(_split(origin)[0] for origin in image_origins)
        self._max_bytes = max_bytes
        self._access = _NO_ACCESS
        self._downloads = Downloads()

    async def label_config(self, project: int) -> str:
        """The XML of a project.

        Raises:
            UndeliveredError: it is gone or forbidden.
            StudioError: it cannot be had now.
        """
        return (await self._json(_Project, f"/api/projects/{project}")).label_config

    async def annotated_tasks(self, project: int) -> list[Task]:
        """The last tasks of a project that somebody annotated, newest first; 100 at most.

        Raises:
            UndeliveredError: they are gone, forbidden or too large.
            StudioError: they cannot be had now.
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
            return await asyncio.to_thread(_decoded, address[inline.end() :])
        if len(address) > _MAX_ADDRESS_CHARACTERS:
            raise InvalidRequestError("the address of the image is too long")
        url = self.url + address if address.startswith("/") else address
        origin, path = _split(url)
        if origin == _split(self.url)[0]:
            if not _IMAGE_PATHS.match(path):
                raise InvalidRequestError("this path of Label Studio holds no images")
            return await self._get_with_token(url, self._max_bytes, UndeliveredImageError)
        if origin in self._image_origins:
            return await self._downloads.get(
                url, {}, max_bytes=self._max_bytes, permanent_error=UndeliveredImageError
            )
        raise InvalidRequestError(
            "the image is neither in Label Studio nor at an origin of "
            "FSS_LABEL_STUDIO_IMAGE_ORIGINS"
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._downloads.close()

    async def _json(
        self, model: type[Body], path: str, query: dict[str, str] | None = None
    ) -> Body:
        url = str(httpx.URL(self.url + path, params=query))
        body = await self._get_with_token(url, _MAX_JSON_BYTES, UndeliveredError)
        return await asyncio.to_thread(_read, model, body)

    async def _get_with_token(
        self, url: str, max_bytes: int, permanent_error: type[UndeliveredError]
    ) -> bytes:
        get = partial(
            self._downloads.get, url, max_bytes=max_bytes, permanent_error=permanent_error
        )
        headers = await self._headers()
        try:
            return await get(headers)
        except UnauthorizedStudioError:
            if not self._is_personal:
                raise
        self._access = _NO_ACCESS  # it was revoked before its time
        return await get(await self._headers())

    async def _headers(self) -> dict[str, str]:
        """Legacy tokens are sent as such, personal ones (JWTs) exchanged for an access token."""
        if not self._is_personal:
            return {"Authorization": f"Token {self.token}"}
        access, until = self._access
        if time.monotonic() >= until:
            refresh = f"{self.url}/api/token/refresh/"
            body = await self._downloads.post(
                refresh, {"refresh": self.token}, max_bytes=_MAX_JSON_BYTES
            )
            access = _read(_Access, body).access
            self._access = access, time.monotonic() + _ACCESS_TOKEN_S
        return {"Authorization": f"Bearer {access}"}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as exc:
        raise InvalidRequestError("the data URI of the image is not valid base64") from exc


def _read(model: type[Body], body: bytes) -> Body:
    if body.count(b"{") + body.count(b"[") > _MAX_JSON_PARTS:
        raise UndeliveredError("Label Studio answers with too many values")
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
