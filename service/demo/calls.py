"""The two requests of the demo, over HTTP as anybody would send them."""

import base64
import io
import time
from collections.abc import Sequence
from typing import NamedTuple

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from service.demo.errors import DemoError
from service.demo.samples import Sample
from service.schemas import SegmentResponse, SupportResponse


class Found(NamedTuple):
    """What the service found in a photograph."""

    masks: dict[str, NDArray[np.bool_]]  # by class, (H, W)
    milliseconds: float  # from request to the last byte of the answer


def register(
    client: httpx.Client, class_name: str, shots: Sequence[Sample], session_id: str | None
) -> SupportResponse:
    """Define a class by its supports, in a session or, with None, in a new one."""
    files = [("images", (f"{shot.name}.jpg", shot.jpeg(), "image/jpeg")) for shot in shots]
    files += [
        ("masks", (f"{shot.name}.png", shot.mask_png(class_name), "image/png")) for shot in shots
    ]
    fields = {"class_name": class_name}
    if session_id is not None:
        fields["session_id"] = session_id
    answer = _post(client, "/support", fields, files)
    return SupportResponse.model_validate_json(answer.content)


def segment(client: httpx.Client, session_id: str, sample: Sample) -> Found:
    """Find every class of the session in a photograph."""
    files = [("images", (f"{sample.name}.jpg", sample.jpeg(), "image/jpeg"))]
    start = time.perf_counter()
    answer = _post(client, "/segment", {"session_id": session_id, "output": "png"}, files)
    milliseconds = 1000 * (time.perf_counter() - start)
    try:
        (result,) = SegmentResponse.model_validate_json(answer.content).results
    except (ValidationError, ValueError) as exc:
        raise DemoError(f"POST /segment answered something else than its schema: {exc}") from exc
    return Found({c.class_name: _decoded(c.mask) for c in result.classes}, milliseconds)


def _post(
    client: httpx.Client,
    path: str,
    fields: dict[str, str],
    files: list[tuple[str, tuple[str, bytes, str]]],
) -> httpx.Response:
    try:
        answer = client.post(path, data=fields, files=files)
    except httpx.HTTPError as exc:
        raise DemoError(f"POST {path} failed: {exc!r}") from exc
    if not answer.is_success:
        raise DemoError(f"POST {path} answered {answer.status_code}: {answer.text[:500]}")
    return answer


def _decoded(mask: object) -> NDArray[np.bool_]:
    if not isinstance(mask, str):
        raise DemoError("POST /segment answered a mask that is no PNG")
    with Image.open(io.BytesIO(base64.b64decode(mask))) as image:
        return np.asarray(image) > 0
