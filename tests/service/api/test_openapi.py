"""The committed OpenAPI document is what the application serves, and answers obey it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli import main
from tests.service.http_api import new_session, post_segment, post_support
from tests.service.pictures import picture

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"


@pytest.fixture
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(COMMITTED.read_text(encoding="utf-8"))
    return loaded


async def test_served_document_is_the_committed_one(
    client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    assert (await client.get("/openapi.json")).json() == document, (
        "after a change that is meant: python -m service openapi > docs/openapi.json"
    )


def test_command_prints_the_committed_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    assert capsys.readouterr().out == COMMITTED.read_text(encoding="utf-8")


def test_contract_of_the_endpoints(document: dict[str, Any]) -> None:
    operations = {
        (method, path) for path, methods in document["paths"].items() for method in methods
    }
    assert operations == {
        ("post", "/support"),
        ("post", "/segment"),
        ("get", "/sessions/{session_id}"),
        ("delete", "/sessions/{session_id}"),
        ("get", "/sessions/{session_id}/archive"),
        ("put", "/sessions/{session_id}/archive"),
        ("delete", "/sessions/{session_id}/classes/{name}"),
        ("get", "/sessions/{session_id}/classes/{name}/report"),
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/models"),
        ("post", "/jobs"),
        ("get", "/jobs"),
        ("get", "/jobs/{job_id}"),
        ("delete", "/jobs/{job_id}"),
        ("get", "/jobs/{job_id}/events"),
        ("get", "/jobs/{job_id}/results"),
        ("post", "/jobs/{job_id}/cancel"),
        ("post", "/jobs/{job_id}/resume"),
    }
    support = form(document, "/support")
    assert set(support["properties"]) == {
        "class_name",
        "images",
        "masks",
        "session_id",
        "model",
        "mode",
        "adapt",
        "report",
    }
    assert support["required"] == ["class_name", "images", "masks"]
    segment = form(document, "/segment")
    assert set(segment["properties"]) == {
        "images",
        "session_id",
        "classes",
        "threshold",
        "output",
        "absent",
        "mode",
    }
    assert segment["properties"]["output"]["enum"] == ["rle", "png", "polygon"]
    for schema in (support, segment):
        images = schema["properties"]["images"]
        assert (images["minItems"], images["maxItems"]) == (1, 16)
        assert images["items"]["format"] == "binary"


def test_references_resolve_and_errors_are_problems(document: dict[str, Any]) -> None:
    for name in references(document):
        assert name in document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]


async def test_answers_have_exactly_the_documented_fields(
    client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    schemas = document["components"]["schemas"]
    support = (await post_support(client, [picture()])).json()
    assert set(support) == set(schemas["SupportResponse"]["required"])
    session_id = await new_session(client, [picture()])
    segment = (await post_segment(client, session_id, [picture()])).json()
    assert set(segment) == set(schemas["SegmentResponse"]["required"])
    (result,) = segment["results"]
    assert set(result) == set(schemas["ImageResult"]["required"])
    (entry,) = result["classes"]
    assert set(entry) == set(schemas["ClassResult"]["required"])
    assert set(entry["mask"]) == set(schemas["RleMask"]["required"])


def form(document: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema of a path's multipart body."""
    content = document["paths"][path]["post"]["requestBody"]["content"]
    reference = content["multipart/form-data"]["schema"]["$ref"]
    schema: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


def references(node: Any) -> set[str]:
    """Names of all schemas a document refers to."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if isinstance(node, dict):
        here = {str(node["$ref"]).rpartition("/")[2]} if "$ref" in node else set()
        return here.union(*map(references, node.values()))
    return set()
