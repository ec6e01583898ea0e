"""The files of the page, read once, and a version that is a hash of their content."""

import hashlib
import mimetypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service.samples import sample_files

INDEX = "index.html"
_VERSION_MARK = b"@version@"
_STATIC = Path(__file__).resolve().parent / "static"
# Not by the system's table: browsers refuse modules of another type.
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}


@dataclass(frozen=True)
class WebFile:
    """The bytes of a file, and their media type."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class WebFiles:
    """All that the page needs.

    version: changes with any file, so that files of a version may be cached for ever.
    index: the page, which browsers revalidate.
    assets: by path, such as `main.js` and `samples/query_1_shelf.jpg`.
    """

    version: str
    index: WebFile
    assets: dict[str, WebFile]


def load_files() -> WebFiles:
    """The shipped files, in memory, so that no path of a request reaches the file system."""
    assets = dict(_files(sorted(_STATIC.iterdir())))
    assets |= {f"samples/{name}": file for name, file in _files(sample_files())}
    index = assets.pop(INDEX)
    digest = hashlib.sha256(index.content)
    for name, file in sorted(assets.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(file.content).digest())
    version = digest.hexdigest()[:16]
    content = index.content.replace(_VERSION_MARK, version.encode())
    return WebFiles(version, WebFile(content, index.media_type), assets)


def _files(paths: Iterable[Path]) -> Iterator[tuple[str, WebFile]]:
    for path in paths:
        if path.is_file():
            media_type = _MEDIA_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
            yield path.name, WebFile(path.read_bytes(), media_type or "application/octet-stream")
