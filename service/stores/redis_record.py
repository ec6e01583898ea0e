"""A session from the hash that Redis holds of it (`redis_scripts.py`)."""

from collections.abc import Mapping
from functools import reduce
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from model.contract import SupportSet
from service.errors import InvalidArchiveError, UnreadableSessionError
from service.stores.base import SessionContent
from service.stores.codec import decode_supports
from service.stores.tensors import ShotSpec


class _ClassEntry(BaseModel):
    """A class in the index; its shots are those of the chunks, one after another."""

    name: str
    chunks: Annotated[list[int], Field(min_length=1)]
    bytes: Annotated[int, Field(ge=0)] = 0


# Errors end up in the log: without what users named their classes.
_INDEX = TypeAdapter(list[_ClassEntry], config=ConfigDict(hide_input_in_errors=True))
# As in an archive: a time that `datetime` has.
_MILLISECONDS = TypeAdapter(Annotated[int, Field(ge=0, le=10**14)])


def read_nbytes(index: bytes) -> int:
    """Bytes of the arrays of a session, by its index.

    Raises:
        UnreadableSessionError: as `read_content`.
    """
    try:
        return sum(entry.bytes for entry in _INDEX.validate_json(index))
    except ValidationError as exc:
        raise UnreadableSessionError from exc


def read_content(record: Mapping[bytes, bytes], specs: Mapping[str, ShotSpec]) -> SessionContent:
    """The session of a hash.

    Args:
        record: all fields.
        specs: by model; see `codec.decode_session`.

    Raises:
        UnreadableSessionError: another version of the service wrote it, or it is broken.
    """
    try:
        model = record[b"model"].decode()
        spec = specs.get(model)
        classes = {
            entry.name: reduce(
                SupportSet.extended,
                (decode_supports(record[b"chunk:%d" % number], spec) for number in entry.chunks),
            )
            for entry in _INDEX.validate_json(record[b"index"])
        }
        created = _MILLISECONDS.validate_json(record[b"created"]) / 1000
        return SessionContent(model, created, classes)
    except (InvalidArchiveError, KeyError, ValueError) as exc:
        raise UnreadableSessionError from exc
