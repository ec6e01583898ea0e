"""`POST /segment`."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.api.body.intake import receive_form
from service.api.dependencies import Context, Owner
from service.api.negotiation import JSON, PNG, prefers_png
from service.api.openapi import problems, upload
from service.schemas import SESSION_HEADER, Output, SegmentForm, SegmentResponse
from service.sessions import LabelMap, segment, segment_to_label_map

router = APIRouter(tags=["segment"])

CLASS_NAMES_HEADER = "X-Class-Names"
_SHORT_PIXELS = 1 << 21
_LABEL_MAP: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {PNG: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            CLASS_NAMES_HEADER: {
                "description": "With image/png: names of classes 1, 2, …, each percent-encoded "
                "(RFC 3986, UTF-8), joined by commas.",
                "schema": {"type": "string"},
            },
            SESSION_HEADER: {
                "description": "With image/png: the session.",
                "schema": {"type": "string"},
            },
        },
    }
}


@router.post(
    "/segment",
    response_model=SegmentResponse,
    openapi_extra=upload(SegmentForm),
    responses=_LABEL_MAP | problems(400, 404, 406, 409, 413, 415, 422, 500, 503, 504),
)
async def post_segment(request: Request, context: Context, owner: Owner) -> Response:
    """Find a session's classes in images.

    With `Accept: image/png` and a single image the response is its label map: an 8-bit index PNG,
    0 for background and i for the i-th class of `X-Class-Names`, which has absent ones too.
    """
    as_png = prefers_png(request.headers.getlist("accept"))
    async with receive_form(context, request, SegmentForm) as form:
        if as_png:
            return _png_response(await segment_to_label_map(context.resources, form, owner))
        found = await segment(context.resources, form, owner)
        if _is_short(found, form.output):
            return Response(found.model_dump_json(), media_type=JSON)
        content = await context.resources.pool.run(lambda: found.model_dump_json().encode())
        return Response(content, media_type=JSON)


def _is_short(found: SegmentResponse, output: Output) -> bool:
    """Whether a response is serialised in less time than a codec thread takes to wake."""
    pixels = sum(each.height * each.width * len(each.classes) for each in found.results)
    return output != "polygon" and pixels <= _SHORT_PIXELS


def _png_response(label_map: LabelMap) -> Response:
    names = ",".join(quote(name, safe="") for name in label_map.class_names)
    headers = {CLASS_NAMES_HEADER: names, SESSION_HEADER: label_map.session_id}
    return Response(label_map.png, media_type=PNG, headers=headers)
