"""`GET /` and the files behind it."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from service.web.files import WebFile, WebFiles

# Scripts and styles from here alone, none inline; markup is never made from text; pictures may
# also be the files a person chose, which have blob addresses.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_FOREVER = "public, max-age=31536000, immutable"
_ASK_FIRST = "no-cache"
_NEVER = "no-store"


def playground_router(files: WebFiles) -> APIRouter:
    """The routes of the page; no part of the API that clients are told of."""
    router = APIRouter(include_in_schema=False)
    etag = f'"{files.version}"'

    @router.head("/")
    @router.get("/")
    async def get_page(request: Request) -> Response:
        """The page, or that the browser's copy is still right."""
        headers = {
            "Cache-Control": _ASK_FIRST,
            "Content-Security-Policy": PAGE_POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "ETag": etag,
        }
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return _answer(files.index, headers)

    @router.head("/playground/{version}/{name:path}")
    @router.get("/playground/{version}/{name:path}")
    async def get_asset(version: str, name: str) -> Response:
        """A file of this version, kept for ever; or what is nearest to it of another version.

        While replicas are replaced one by one, a page and its files come from several. A file that
        is missing breaks the page; one of the release before or after hardly ever does.
        """
        if name not in files.assets:
            raise HTTPException(404)
        caching = _FOREVER if version == files.version else _NEVER
        return _answer(files.assets[name], {"Cache-Control": caching})

    return router


def _answer(file: WebFile, headers: dict[str, str]) -> Response:
    return Response(file.content, media_type=file.media_type, headers=headers)
