"""`GET /` and the files behind it."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from service.web.files import WebFile, WebFiles

# Scripts and styles of this origin only, none inline; no markup from strings; images may also be
# files that the user chose, which have blob URLs.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"
_NO_STORE = "no-store"


def playground_router(files: WebFiles) -> APIRouter:
    """The routes of the page; not in the OpenAPI document."""
    router = APIRouter(include_in_schema=False)
    etag = f'"{files.version}"'

    @router.head("/")
    @router.get("/")
    async def get_page(request: Request) -> Response:
        """The page, or 304 if the browser's copy is current."""
        headers = {
            "Cache-Control": _REVALIDATE,
            "Content-Security-Policy": PAGE_POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "ETag": etag,
        }
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return _file_response(files.index, headers)

    @router.head("/playground/{version}/{name:path}")
    @router.get("/playground/{version}/{name:path}")
    async def get_asset(version: str, name: str) -> Response:
        """A file of this version, cached for ever; for another version the same, not cached.

        During a rolling update a page and its files come from several replicas. A missing file
        breaks the page; one of the release before or after hardly ever does.
        """
        if name not in files.assets:
            raise HTTPException(404)
        caching = _IMMUTABLE if version == files.version else _NO_STORE
        return _file_response(files.assets[name], {"Cache-Control": caching})

    return router


def _file_response(file: WebFile, headers: dict[str, str]) -> Response:
    return Response(file.content, media_type=file.media_type, headers=headers)
