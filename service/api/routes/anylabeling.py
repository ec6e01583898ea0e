"""`/v1/models` and `/v1/predict`: a remote server of X-AnyLabeling, whose models are sessions.

X-AnyLabeling puts its paths behind the address of a server. Behind that of a session they are for
that session; behind the service's own, the session is named as the model.
"""

import base64
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from service.api.body.intake import receive_file
from service.api.body.json_body import read_json
from service.api.dependencies import Context, Owner, PathKey, UseCaseResources
from service.api.negotiation import JSON
from service.errors import InvalidRequestError, SessionNotFoundError
from service.labelling_tools import to_shapes
from service.schemas import Probability, SegmentForm
from service.sessions import Resources, describe_session, segment

# Not in the OpenAPI document.
router = APIRouter(include_in_schema=False)

_WIDGETS = (
    ("button_run", None),
    ("input_conf", None),
    ("edit_conf", 0.25),
    ("mask_fineness_slider", 10),
    ("mask_fineness_value_label", None),
    ("toggle_preserve_existing_annotations", False),
)

_MAX_VALUES = 1000  # the model has five


class _Params(BaseModel):
    conf_threshold: Probability = 0.0
    epsilon_factor: Probability = 0.001


class _Predict(BaseModel):
    model: Annotated[str, Field(min_length=1, max_length=200)]
    image: str
    params: _Params = _Params()


@router.get("/v1/models")
async def get_no_models() -> dict[str, Any]:
    """No models: a session's id is what grants access to it, so sessions are not listed."""
    return {"success": True, "data": {}}


@router.get("/sessions/{session_id}/v1/models")
async def get_models(key: PathKey, resources: UseCaseResources) -> dict[str, Any]:
    """The session of the path as the only model."""
    session = await describe_session(resources, key)
    names = ", ".join(each.class_name for each in session.classes)
    model = {
        "display_name": f"Few-shot: {names}",
        "widgets": [{"name": name, "value": value} for name, value in _WIDGETS],
        "params": {},
    }
    return {"success": True, "data": {session.session_id: model}}


@router.post("/v1/predict")
async def post_predict(request: Request, context: Context, owner: Owner) -> dict[str, Any]:
    """The shapes that the session named as the model finds in an image."""
    async with receive_file(context, request, JSON) as body:
        predict = await _read(context.resources, body)
        return await _predict(context.resources, predict, owner)


@router.post("/sessions/{session_id}/v1/predict")
async def post_session_predict(request: Request, context: Context, key: PathKey) -> dict[str, Any]:
    """The same for the session of the path.

    Raises:
        SessionNotFoundError: the body names another model than that session.
    """
    async with receive_file(context, request, JSON) as body:
        predict = await _read(context.resources, body)
        if predict.model != key.session_id:
            raise SessionNotFoundError
        return await _predict(context.resources, predict, key.owner)


async def _read(resources: Resources, body: bytes) -> _Predict:
    return await read_json(resources.pool, _Predict, body, max_values=_MAX_VALUES)


async def _predict(resources: Resources, predict: _Predict, owner: str) -> dict[str, Any]:
    image = await resources.pool.run(partial(_image, predict.image))
    form = SegmentForm(images=[image], session_id=predict.model, absent="drop")
    (result,) = (await segment(resources, form, owner)).results
    draw = partial(
        to_shapes,
        result,
        min_score=predict.params.conf_threshold,
        tolerance=predict.params.epsilon_factor,
    )
    shapes = await resources.pool.run(draw)
    return {"success": True, "data": {"shapes": shapes, "description": ""}}


def _image(text: str) -> bytes:
    """The bytes of a data URI, or of plain base64."""
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as exc:
        raise InvalidRequestError("the image is not valid base64").at("image") from exc
