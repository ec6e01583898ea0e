"""The parts of the OpenAPI document that FastAPI cannot see: multipart forms and problems."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.api.problems import MEDIA_TYPE
from service.jobs import JobForm
from service.schemas import SESSION_HEADER, Problem, SegmentForm, SupportForm

_REF = "#/components/schemas/{model}"

Json = dict[str, Any]


def problems(*statuses: int) -> dict[int | str, Json]:
    """`responses` of a route that may answer with problems of these statuses."""
    schema = {"$ref": _REF.format(model=Problem.__name__)}
    return {
        status: {
            "description": "A problem; its code tells which.",
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def upload(form: type[BaseModel]) -> Json:
    """`openapi_extra` of a route that reads a form itself and takes the session header."""
    schema = {"$ref": _REF.format(model=form.__name__)}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}},
        "parameters": [
            {
                "name": SESSION_HEADER,
                "in": "header",
                "required": False,
                "description": "In place of the field session_id.",
                "schema": {"type": "string"},
            }
        ],
    }


def install_openapi(app: FastAPI) -> None:
    """Let `app.openapi()` hold the components that `problems` and `upload` refer to."""

    def build() -> Json:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            document["components"]["schemas"].update(_components())
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]


def _components() -> Json:
    _, definitions = models_json_schema(
        [(model, "validation") for model in (JobForm, Problem, SegmentForm, SupportForm)],
        ref_template=_REF,
    )
    components: Json = definitions["$defs"]
    return components
