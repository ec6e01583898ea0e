"""Which fields of a form are files, and which may come more than once, as its model says."""

from functools import cache
from typing import NamedTuple, get_origin

from pydantic import BaseModel


class FieldKinds(NamedTuple):
    """Names of fields: of those that are files, and of texts that may be given more than once."""

    files: frozenset[str]
    repeated: frozenset[str]


@cache
def field_kinds(form: type[BaseModel]) -> FieldKinds:
    """The kinds of a form's fields: a list of bytes is files, any other list is texts."""
    lists = {
        name: field.annotation
        for name, field in form.model_fields.items()
        if get_origin(field.annotation) is list
    }
    files = frozenset(name for name, kind in lists.items() if kind == list[bytes])
    return FieldKinds(files, frozenset(lists) - files)
