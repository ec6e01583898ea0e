"""`python -m tests.packaging.settings_reference > docs/settings.md`: every setting, for people."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from service.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
_INTRODUCTION = """\
# Settings

Written by `python -m tests.packaging.settings_reference > docs/settings.md`; do not edit. Each is
an environment variable, read at the start. If a value is out of bounds, the service does not start
and names it; so it does with a variable that begins with `FSS_` and is no setting, except those of
the client, `FSS_CLIENT_URL` and `FSS_CLIENT_KEY`. Several values are separated by commas; folders
by colons, and rate limits by semicolons. What the settings are for is in [serving.md](serving.md).

| variable | default | may be | what it is |
|---|---|---|---|
"""
_BOUNDS = (
    ("minimum", "at least {:,}"),
    ("exclusiveMinimum", "above {:,}"),
    ("maximum", "at most {:,}"),
)
_MIB = 1024 * 1024


def reference() -> str:
    """The page, a line break at its end."""
    properties = Settings.model_json_schema()["properties"]
    return _INTRODUCTION + "".join(
        f"| `FSS_{name.upper()}` | {_default(name)} | {', '.join(_bounds(schema))} "
        f"| {' '.join(schema['description'].split())} |\n"
        for name, schema in properties.items()
    )


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Path):
        value = value.relative_to(_ROOT)
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, int) and value >= _MIB and value % _MIB == 0:
        return f"`{value}`, {value // _MIB:,} MiB"
    return "unset" if value in (None, "") else f"`{value}`"


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    for each in schema.get("anyOf", [schema]):
        if "enum" in each:
            yield " ".join(f"`{value}`" for value in each["enum"])
        elif each.get("type") == "boolean":
            yield "`true` `false`"
        for key, text in _BOUNDS:
            if key in each:
                yield text.format(each[key])


if __name__ == "__main__":
    sys.stdout.write(reference())
