"""A class as a group of tensors, and back from untrusted tensors.

K shots, T tokens of them all together, C, D and R as in `model.contract.graphs`, Q is
`model.contract.PIXEL_CLASSIFIER_SIZE`:

    affinity, guided, gate (K, C) F16
    tokens (T, D) F16
    token_counts (K,) U32
    refit (R,) F32, only if the class has one
    pixel_classifier (Q,) F32, a share in [0, 1] first; only beside a refit
    unfamiliar (1,) U32, 1; only beside a refit that is not for images like those of training
    side (1,) U32, only if it is known
    close.affinity, ... the same again, only if the class has close-ups
    judgements (K, J) F32 in [0, 1], only if a shot of it was judged
    identities (K, D) F16, only if one of its shots has views besides these
"""

from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from model.contract import (
    JUDGEMENT_SIZE,
    PIXEL_CLASSIFIER_SIZE,
    Manifest,
    SupportPrototype,
    SupportSet,
)
from service.errors import InvalidArchiveError

Array = NDArray[np.float16] | NDArray[np.float32] | NDArray[np.uint32]
Tensors = dict[str, Array]

_VECTORS = ("affinity", "guided", "gate")
_NAMES = frozenset({*_VECTORS, "tokens", "token_counts"})
_OPTIONAL = frozenset(
    {"identities", "judgements", "pixel_classifier", "refit", "side", "unfamiliar"}
)
_CLOSE_UP = "close."
# The most that FSS_MAX_SHOTS allows. Each shot is an object of its own, so a file of many costs
# a multiple of its size.
MAX_SHOTS = 1024
_MAX_WEIGHT = 1e6  # of an adaptation; far greater ones overflow in the head or behind it


class ShotSpec(NamedTuple):
    """What a network expects of a shot: C, D, and the bytes one may take."""

    channels: int
    high_channels: int
    max_shot_bytes: int

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """What the network of a bundle expects."""
        return cls(manifest.channels, manifest.high_channels, manifest.max_shot_bytes)


def to_tensors(supports: SupportSet) -> Tensors:
    """The tensors of a class with at least one shot."""
    shots = supports.shots
    tensors: Tensors = {
        name: np.stack([getattr(shot, name) for shot in shots]) for name in _VECTORS
    }
    tensors["tokens"] = np.concatenate([shot.tokens for shot in shots])
    tensors["token_counts"] = np.array([len(shot.tokens) for shot in shots], np.uint32)
    if supports.refit is not None:
        tensors["refit"] = supports.refit
    if supports.pixel_classifier is not None:
        tensors["pixel_classifier"] = supports.pixel_classifier
    if supports.unfamiliar:
        tensors["unfamiliar"] = np.ones(1, np.uint32)
    if supports.side is not None:
        tensors["side"] = np.array([supports.side], np.uint32)
    if supports.close_up is not None:
        close_up = to_tensors(supports.close_up)
        tensors |= {_CLOSE_UP + name: tensor for name, tensor in close_up.items()}
    if supports.judgements is not None:
        tensors["judgements"] = supports.judgements
    if supports.identities is not None:
        tensors["identities"] = supports.identities
    return tensors


def from_tensors(tensors: Tensors, spec: ShotSpec | None) -> SupportSet:
    """The class that tensors describe, bit for bit.

    Args:
        tensors: untrusted.
        spec: what its shots must match; none: only each other.

    Raises:
        InvalidArchiveError: one is missing, too many, of another shape or type, or not finite.
    """
    close_up_tensors = {
        name.removeprefix(_CLOSE_UP): each
        for name, each in tensors.items()
        if name.startswith(_CLOSE_UP) and not name.startswith(2 * _CLOSE_UP)
    }
    if close_up_tensors:
        rest = {name: each for name, each in tensors.items() if not name.startswith(_CLOSE_UP)}
        if len(close_up_tensors) + len(rest) != len(tensors):
            raise InvalidArchiveError("the close-up of a class has a close-up of its own")
        whole, close_up = from_tensors(rest, spec), from_tensors(close_up_tensors, spec)
        if len(close_up.shots) != len(whole.shots) or close_up.side is None:
            raise InvalidArchiveError("a class does not have a close-up of each of its shots")
        return replace(whole, close_up=close_up)
    if set(tensors) - _OPTIONAL != _NAMES:
        raise InvalidArchiveError("a class lacks tensors, or has some that do not belong there")
    counts = _token_counts(tensors["token_counts"])
    channels = _width(tensors["affinity"]) if spec is None else spec.channels
    depth = _width(tensors["tokens"]) if spec is None else spec.high_channels
    for name in _VECTORS:
        _require(tensors[name], np.float16, (len(counts), channels))
    _require(tensors["tokens"], np.float16, (sum(counts), depth))
    refit = _weights(tensors.get("refit"), 2 * channels + 2)
    pixel_classifier = _weights(tensors.get("pixel_classifier"), PIXEL_CLASSIFIER_SIZE)
    if refit is None and pixel_classifier is not None:
        raise InvalidArchiveError("a class has a pixel classifier without a refit")
    if pixel_classifier is not None and not 0 <= pixel_classifier[0] <= 1:
        raise InvalidArchiveError("the share of a pixel classifier is not in [0, 1]")
    tokens = np.split(tensors["tokens"], np.cumsum(counts)[:-1])
    vectors = (tensors[name] for name in _VECTORS)
    shots = tuple(SupportPrototype(*parts) for parts in zip(*vectors, tokens, strict=True))
    if spec is not None and any(shot.nbytes > spec.max_shot_bytes for shot in shots):
        raise InvalidArchiveError(f"a shot takes more than {spec.max_shot_bytes} bytes")
    return SupportSet(
        shots,
        refit=refit,
        pixel_classifier=pixel_classifier,
        unfamiliar=_unfamiliar(tensors.get("unfamiliar"), refit),
        side=_side(tensors.get("side")),
        judgements=_judgements(tensors.get("judgements"), len(counts)),
        identities=_identities(tensors.get("identities"), len(counts), depth),
    )


def _weights(tensor: Array | None, size: int) -> NDArray[np.float32] | None:
    """What an adaptation fitted, if it is there."""
    if tensor is None:
        return None
    _require(tensor, np.float32, (size,))
    if np.abs(tensor).max() > _MAX_WEIGHT:
        raise InvalidArchiveError("an adaptation is beyond anything that a fit gives")
    return np.asarray(tensor, np.float32)


def _unfamiliar(tensor: Array | None, refit: NDArray[np.float32] | None) -> bool:
    if tensor is None:
        return False
    _require(tensor, np.uint32, (1,))
    if tensor[0] != 1 or refit is None:
        raise InvalidArchiveError("a class without a refit says which images that is for")
    return True


def _side(tensor: Array | None) -> int | None:
    if tensor is None:
        return None
    _require(tensor, np.uint32, (1,))
    if not tensor[0]:
        raise InvalidArchiveError("a class was seen in no pixels")
    return int(tensor[0])


def _judgements(tensor: Array | None, shots: int) -> NDArray[np.float32] | None:
    if tensor is None:
        return None
    _require(tensor, np.float32, (shots, JUDGEMENT_SIZE))
    if tensor.min() < 0 or tensor.max() > 1:
        raise InvalidArchiveError("a judgement is not in [0, 1]")
    return np.asarray(tensor, np.float32)


def _identities(tensor: Array | None, shots: int, depth: int) -> NDArray[np.float16] | None:
    if tensor is None:
        return None
    _require(tensor, np.float16, (shots, depth))
    return np.asarray(tensor, np.float16)


def _token_counts(tensor: Array) -> list[int]:
    if tensor.dtype != np.uint32 or tensor.ndim != 1:
        raise InvalidArchiveError("the token counts are of another type or shape")
    if tensor.size > MAX_SHOTS:
        raise InvalidArchiveError(f"a class has more than {MAX_SHOTS} shots")
    if not tensor.size or not tensor.all():
        raise InvalidArchiveError("a class has no shot, or a shot no token")
    return [int(count) for count in tensor]


def _width(tensor: Array) -> int:
    """Length of the last axis; never 0, so that the shape of an empty tensor fits nothing."""
    return max(1, tensor.shape[-1]) if tensor.ndim else 1


def _require(tensor: Array, dtype: type, shape: tuple[int, ...]) -> None:
    if tensor.dtype != dtype or tensor.shape != shape:
        raise InvalidArchiveError("a tensor has another type or shape than it must have")
    if not _is_finite(tensor):
        raise InvalidArchiveError("a tensor holds values that are not finite")


def _is_finite(tensor: Array) -> bool:
    """Half precision is judged by its bits, over ten times as fast as by NumPy's own check."""
    if tensor.dtype == np.float16:
        return bool((tensor.view(np.uint16) & 0x7FFF).max() < 0x7C00)
    return bool(np.isfinite(tensor).all())
