"""Sessions and classes as bytes: safetensors with a format name and a version, never pickle.

In a session the tensors of its i-th class (`tensors.py`) have the prefix `i.`; the metadata hold
the rest of it as JSON.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import safetensors
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.numpy import save

from model.contract import SupportSet
from service.errors import InvalidArchiveError
from service.schemas import MAX_CLASSES, ClassName
from service.stores.base import SessionContent
from service.stores.tensors import Array, ShotSpec, Tensors, from_tensors, to_tensors
from service.units import MIB

VERSION = "1"
_SUPPORTS = "fss-supports"
_SESSION = "fss-session"
_LENGTH_BYTES = 8  # of the header, which follows
_MAX_HEADER_BYTES = MIB  # MAX_CLASSES take a fifth of it
_DTYPES: dict[str, Any] = {"F16": np.float16, "F32": np.float32, "U32": np.uint32}


class _Header(BaseModel):
    """The part of a safetensors header that the library keeps to itself."""

    model_config = ConfigDict(hide_input_in_errors=True)  # errors may end up in a log

    metadata: Annotated[dict[str, str], Field(alias="__metadata__")]


class _Description(BaseModel):
    """A session without its tensors, `classes` in order."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    model: Annotated[str, Field(min_length=1, max_length=200)]
    created: Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
    classes: Annotated[list[ClassName], Field(max_length=MAX_CLASSES)]


def encode_supports(supports: SupportSet) -> bytes:
    """A class as bytes; it has a shot at least."""
    return save(to_tensors(supports), {"format": _SUPPORTS, "version": VERSION})


def encode_session(content: SessionContent) -> bytes:
    """A session as bytes."""
    description = _Description(
        model=content.model, created=content.created, classes=list(content.classes)
    )
    tensors = {
        f"{number}.{name}": tensor
        for number, supports in enumerate(content.classes.values())
        for name, tensor in to_tensors(supports).items()
    }
    metadata = {"format": _SESSION, "version": VERSION, "session": description.model_dump_json()}
    return save(tensors, metadata)


def decode_supports(data: bytes, spec: ShotSpec | None) -> SupportSet:
    """The class that bytes hold, bit for bit.

    Args:
        data: untrusted.
        spec: what its shots must match; none: only each other.

    Raises:
        InvalidArchiveError.
    """
    tensors, _ = _open(data, _SUPPORTS)
    return from_tensors(tensors, spec)


def decode_session(data: bytes, specs: Mapping[str, ShotSpec]) -> SessionContent:
    """The session that bytes hold, bit for bit.

    Args:
        data: untrusted.
        specs: by model; shots of a model that is not among them need only be like each other.

    Raises:
        InvalidArchiveError.
    """
    tensors, metadata = _open(data, _SESSION)
    try:
        description = _Description.model_validate_json(metadata.get("session", ""))
    except ValidationError as exc:
        raise InvalidArchiveError("the description of the session is not valid") from exc
    groups = _grouped(tensors, len(description.classes))
    spec = specs.get(description.model)
    classes = {
        name: from_tensors(group, spec)
        for name, group in zip(description.classes, groups, strict=True)
    }
    if len(classes) != len(groups):
        raise InvalidArchiveError("two classes have the same name")
    return SessionContent(description.model, description.created, classes)


def _grouped(tensors: Tensors, count: int) -> list[Tensors]:
    groups: dict[str, Tensors] = {str(number): {} for number in range(count)}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        if number not in groups:
            raise InvalidArchiveError("a tensor belongs to no class")
        groups[number][name] = tensor
    return list(groups.values())


def _open(data: bytes, kind: str) -> tuple[Tensors, dict[str, str]]:
    """Tensors and metadata of a file of one format; sizes are as its header says.

    Raises:
        InvalidArchiveError: not safetensors, of another format or version, or of odd types.
    """
    header_end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    if header_end > _LENGTH_BYTES + _MAX_HEADER_BYTES:
        raise InvalidArchiveError("the file is not in safetensors format, or its header too long")
    try:
        parts = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        metadata = _Header.model_validate_json(data[_LENGTH_BYTES:header_end]).metadata
    except (safetensors.SafetensorError, ValidationError) as exc:
        raise InvalidArchiveError("the file is not in safetensors format") from exc
    if (metadata.get("format"), metadata.get("version")) != (kind, VERSION):
        raise InvalidArchiveError(f"the format is not {kind}, version {VERSION}")
    return {name: _array(part) for name, part in parts}, metadata


def _array(part: dict[str, Any]) -> Array:
    try:
        array: Array = np.frombuffer(part["data"], _DTYPES[part["dtype"]]).reshape(part["shape"])
    except (KeyError, ValueError, OverflowError) as exc:  # a type or a shape that is none of ours
        raise InvalidArchiveError("a tensor has another type or shape than it must have") from exc
    return array
