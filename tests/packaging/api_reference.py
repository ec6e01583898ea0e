"""`python -m tests.packaging.api_reference > docs/api.md`: the OpenAPI document for people."""

import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from service.errors import ServiceError

OPENAPI = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
_SCHEMAS = "#/components/schemas/"
_PROBLEM = "application/problem+json"
_INTRODUCTION = """\
# API reference

Written by `python -m tests.packaging.api_reference > docs/api.md`; do not edit. It shows people
what [openapi.json](openapi.json) holds, which the service also gives at `/openapi.json`. Where
API keys are in use, send `Authorization: Bearer KEY` or `X-API-Key: KEY`.
"""

Schema = Mapping[str, Any]


def reference(document: Schema) -> str:
    """The page, a line break at its end."""
    return "\n".join((_INTRODUCTION, *_operations(document), *_schemas(document), *_problems()))


def _operations(document: Schema) -> Iterator[str]:
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    # A stable sort: groups in the order in which they first appear, and so are their members.
    order = list(dict.fromkeys(operation["tags"][0] for *_, operation in operations))
    operations.sort(key=lambda each: order.index(each[2]["tags"][0]))
    for tag, members in groupby(operations, key=lambda each: each[2]["tags"][0]):
        yield f"## {tag.capitalize()}\n"
        for method, path, operation in members:
            yield f"### {method.upper()} {path}\n"
            yield f"{operation['description']}\n"
            yield from _parameters(operation)
            yield from _body(document, operation)
            yield from _answers(operation)


def _parameters(operation: Schema) -> Iterator[str]:
    rows = [
        (
            f"`{each['name']}`",
            each["in"],
            *_cells(each["schema"], each.get("required", False), each),
        )
        for each in operation.get("parameters", ())
    ]
    yield from _table(("parameter", "in", "type", "default", "description"), rows)


def _body(document: Schema, operation: Schema) -> Iterator[str]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: `{media_type}`\n"
        if _named(content):
            schema = document["components"]["schemas"][_name(content["schema"])]
            yield from _fields(schema)


def _answers(operation: Schema) -> Iterator[str]:
    rows: list[tuple[str, str, str]] = []
    refusals: list[str] = []
    for status, answer in sorted(operation["responses"].items()):
        if list(answer.get("content", ())) == [_PROBLEM]:
            refusals.append(status)
            continue
        bodies = [
            f"`{media}`" + (f": {_type(content['schema'])}" if _named(content) else "")
            for media, content in answer.get("content", {}).items()
        ]
        headers = [
            f"`{name}`: {header.get('description', '')}"
            for name, header in answer.get("headers", {}).items()
        ]
        rows.append((status, "; ".join(bodies) or "nothing", "<br>".join(headers)))
    yield from _table(("response", "body", "headers"), rows)
    if refusals:
        yield f"[Problems](#problems): {', '.join(refusals)}\n"


def _schemas(document: Schema) -> Iterator[str]:
    """Everything an answer can hold; forms stand with their requests."""
    yield "## Schemas\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        if not name.endswith("Form"):
            yield f"### {name}\n"
            yield f"{schema.get('description', '')}\n"
            rows = [
                (f"`{field}`", _type(about), about.get("description", ""))
                for field, about in schema["properties"].items()
            ]
            yield from _table(("field", "type", "description"), rows)


def _fields(form: Schema) -> Iterator[str]:
    required = form.get("required", ())
    rows = [
        (f"`{name}`", *_cells(field, name in required, field))
        for name, field in form["properties"].items()
    ]
    yield from _table(("field", "type", "default", "description"), rows)


def _cells(schema: Schema, required: bool, described: Schema) -> tuple[str, str, str]:
    """Type, default and description of a field."""
    default = schema.get("default")
    shown = "required" if required else f"`{json.dumps(default)}`" if default is not None else ""
    return _type(schema), shown, described.get("description", "")


def _type(schema: Schema) -> str:
    """A type in words."""
    if "$ref" in schema:
        name = _name(schema)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if values := schema.get("enum", [schema["const"]] if "const" in schema else ()):
        return ", ".join(f"`{json.dumps(value)}`" for value in values)
    kind = schema.get("type", "any")
    if kind == "array" and "items" in schema:
        count = _bounds(schema, "minItems", "maxItems")
        return f"list of {_type(schema['items'])}" + (f" ({count})" if count else "")
    if kind == "array":
        return "list: " + ", ".join(_type(each) for each in schema.get("prefixItems", ()))
    if schema.get("format") in {"binary", "date-time"}:
        return {"binary": "file", "date-time": "date and time"}[schema["format"]]
    if bounds := _bounds(schema, "minimum", "maximum"):
        return f"{kind} ({bounds})"
    if "pattern" in schema:
        return f"{kind} (`{schema['pattern']}`)"
    if bounds := _bounds(schema, "minLength", "maxLength"):
        return f"{kind} ({bounds} characters)"
    return str(kind)


def _bounds(schema: Schema, low: str, high: str) -> str:
    if low in schema and high in schema:
        return f"{_number(schema[low])} to {_number(schema[high])}"
    if low in schema:
        return f"at least {_number(schema[low])}"
    return f"at most {_number(schema[high])}" if high in schema else ""


def _number(bound: float) -> str:
    """Whole numbers without a point, however large."""
    return str(int(bound)) if bound == int(bound) else str(bound)


def _named(content: Schema) -> bool:
    """Whether a body's schema is one of the components."""
    return "$ref" in content.get("schema", {})


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).removeprefix(_SCHEMAS)


def _problems() -> Iterator[str]:
    yield "## Problems\n"
    yield (
        f"Errors are `{_PROBLEM}`, a [Problem](#problem). `code` is stable. What was\nanswered "
        "with a `Retry-After` may succeed after that many seconds. An unknown path is 404\n"
        "`not_found`, another method 405 `method_not_allowed`. No HTTP at all is 400 in text, and\n"
        "so is a preflight of CORS that is refused.\n"
    )
    kinds = sorted(_kinds(ServiceError), key=lambda kind: (kind.status, kind.code))
    rows = [
        (str(kind.status), f"`{kind.code}`", kind.title, _first_paragraph(kind)) for kind in kinds
    ]
    yield from _table(("status", "code", "title", "when"), rows)


def _kinds(root: type[ServiceError]) -> Iterator[type[ServiceError]]:
    """Every error with a code of its own."""
    if "code" in vars(root):
        yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)


def _first_paragraph(kind: type[ServiceError]) -> str:
    return "" if kind is ServiceError else (inspect.getdoc(kind) or "").split("\n\n")[0]


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """A Markdown table and an empty line; nothing without rows, no column without a cell."""
    filled = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    if not filled:
        return
    for row in (heads, ("---",) * len(heads), *rows):
        cells = (" ".join(row[i].split()).replace("|", "\\|") for i in filled)
        yield f"| {' | '.join(cells)} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(reference(json.loads(OPENAPI.read_text())))
