"""`/health`, `/setup`, `/predict`, `/webhook`: an ML backend of Label Studio."""

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, status
from pydantic import BaseModel, Field

from service.api.body.intake import receive_file
from service.api.body.json_body import Model, read_json
from service.api.context import ApiContext
from service.api.dependencies import Context, Owner
from service.api.negotiation import JSON
from service.labelling_tools import (
    FIRST_ERROR,
    ImageTask,
    ProjectKey,
    ProjectMirror,
    model_version,
    parse_label_config,
    predict_tasks,
)
from service.stores import Session

# Not in the OpenAPI document; added only where the settings name a Label Studio.
router = APIRouter(include_in_schema=False)
health_router = APIRouter(include_in_schema=False)

_MAX_VALUES = 4_000_000  # a brush mask that comes with a task has hundreds of thousands
_SETUP_WAIT_S = 2.0  # Label Studio gives it three
_EVENTS = frozenset(
    {
        "ANNOTATION_CREATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_DELETED",
        "PROJECT_UPDATED",
        "START_TRAINING",
        "TASKS_DELETED",
    }
)

ProjectId = Annotated[int, Field(ge=1, le=2**53)]
# Label Studio sends its id, a dot, and when it was created.
ProjectUid = Annotated[str, Field(pattern=r"^[1-9]\d{0,14}(\.\d{1,15})?$")]


class _Setup(BaseModel):
    project: ProjectUid


class _Predict(BaseModel):
    project: ProjectUid
    label_config: str
    tasks: Annotated[list[ImageTask], Field(max_length=1000), FIRST_ERROR]


class _Project(BaseModel):
    id: ProjectId


class _Webhook(BaseModel):
    action: str
    project: _Project | None = None


async def _mirror(context: Context) -> ProjectMirror:
    if context.mirror is None:
        raise TypeError("the application follows no Label Studio")
    return context.mirror


Mirror = Annotated[ProjectMirror, Depends(_mirror)]


async def _read(context: ApiContext, model: type[Model], body: bytes) -> Model:
    return await read_json(context.resources.pool, model, body, max_values=_MAX_VALUES)


@health_router.get("/health")
async def get_health() -> dict[str, str]:
    """What Label Studio calls first."""
    return {"status": "UP", "model_class": "FewShotSegmentation"}


@router.post("/setup")
async def post_setup(
    request: Request, context: Context, owner: Owner, mirror: Mirror
) -> dict[str, Any]:
    """The version of a project's session, which is created if missing.

    Null while that takes longer than Label Studio waits; it goes on in the background.
    """
    async with receive_file(context, request, JSON) as body:
        setup = await _read(context, _Setup, body)
        key = _project_key(owner, setup.project)
        waiting = asyncio.timeout(_SETUP_WAIT_S)
        try:
            async with waiting:
                session = await mirror.session(key)
        except TimeoutError:
            if not waiting.expired():
                raise
            return {"model_version": None}
        version = await _version(context, session)
    return {"model_version": version, "session_id": session.session_id}


@router.post("/predict")
async def post_predict(
    request: Request, context: Context, owner: Owner, mirror: Mirror
) -> dict[str, Any]:
    """Regions for tasks, drawn as the label config asks for them."""
    async with receive_file(context, request, JSON) as body:
        predict = await _read(context, _Predict, body)
        parse = partial(parse_label_config, predict.label_config)
        config = await context.resources.pool.run(parse)
        session = await mirror.session(_project_key(owner, predict.project))
        version = await _version(context, session)
        results = await predict_tasks(
            context.resources, mirror, session, version, config, predict.tasks
        )
    return {"results": results, "model_version": version}


@router.post("/webhook", status_code=status.HTTP_202_ACCEPTED)
async def post_webhook(
    request: Request, context: Context, owner: Owner, mirror: Mirror
) -> dict[str, str]:
    """Follow a project that changed, in the background, as Label Studio waits for a second only."""
    async with receive_file(context, request, JSON) as body:
        event = await _read(context, _Webhook, body)
    if event.action not in _EVENTS or event.project is None:
        return {"status": "ignored"}
    mirror.follow(ProjectKey(owner, event.project.id))
    return {"status": "accepted"}


async def _version(context: ApiContext, session: Session) -> str:
    """Of all shots, which takes milliseconds where there are thousands."""
    return await context.resources.pool.run(partial(model_version, session))


def _project_key(owner: str, project_uid: str) -> ProjectKey:
    return ProjectKey(owner, int(project_uid.partition(".")[0]))
