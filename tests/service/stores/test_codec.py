"""The byte format: bit for bit there and back, and one error for whatever else arrives."""

import json
import pickle
import random
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

from model.contract import PIXEL_CLASSIFIER_SIZE, SupportPrototype, SupportSet
from service.errors import InvalidArchiveError
from service.stores import (
    SessionContent,
    ShotSpec,
    decode_session,
    decode_supports,
    encode_session,
    encode_supports,
)
from service.stores.tensors import to_tensors

C, D = 3, 2
SPEC = ShotSpec(channels=C, high_channels=D, max_shot_bytes=64)
SPECS = {"m@1": SPEC}
Arrays = dict[str, NDArray[Any]]


def random_shot(generator: np.random.Generator, tokens: int) -> SupportPrototype:
    affinity, guided, gate = generator.standard_normal((3, C)).astype(np.float16)
    rows = generator.standard_normal((tokens, D)).astype(np.float16)
    return SupportPrototype(affinity, guided, gate, rows)


def random_supports(seed: int = 0, *, adapted: bool = False) -> SupportSet:
    generator = np.random.default_rng(seed)
    refit = generator.standard_normal(2 * C + 2).astype(np.float32) if adapted else None
    classifier = None
    if adapted:
        classifier = generator.random(PIXEL_CLASSIFIER_SIZE, np.float32)
    shots = tuple(random_shot(generator, tokens) for tokens in (5, 1, 3))
    return SupportSet(shots, refit, pixel_classifier=classifier, unfamiliar=adapted)


def content() -> SessionContent:
    classes = {"zebra": random_supports(1), "\u732b/a": random_supports(2, adapted=True)}
    return SessionContent("m@1", 1_000.25, classes)


def flattened(supports: SupportSet) -> list[bytes]:
    arrays: list[NDArray[Any]] = [array for shot in supports.shots for array in shot]
    adaptation = (supports.refit, supports.pixel_classifier, np.array(supports.unfamiliar))
    arrays += [array for array in adaptation if array is not None]
    return [f"{array.dtype}{array.shape}".encode() + array.tobytes() for array in arrays]


@pytest.mark.parametrize("adapted", [False, True])
def test_supports_come_back_bit_for_bit(adapted: bool) -> None:
    supports = random_supports(adapted=adapted)
    supports.shots[0].gate[:2] = [-0.0, 6e-8]  # a sign and a subnormal
    back = decode_supports(encode_supports(supports), SPEC)
    assert flattened(back) == flattened(supports)


@pytest.mark.parametrize("classes", [{}, dict(content().classes)])
def test_session_comes_back_bit_for_bit(classes: dict[str, SupportSet]) -> None:
    session = content()._replace(classes=classes)
    back = decode_session(encode_session(session), SPECS)
    assert (back.model, back.created) == (session.model, session.created)
    assert list(back.classes) == list(classes)
    for name, supports in classes.items():
        assert flattened(back.classes[name]) == flattened(supports)


def test_shots_of_an_unknown_model_need_only_be_like_each_other() -> None:
    back = decode_session(encode_session(content()._replace(model="other@9")), SPECS)
    assert len(back.classes) == 2


def tensors() -> Arrays:
    """Those of a class of two shots."""
    return {
        "affinity": np.ones((2, C), np.float16),
        "guided": np.ones((2, C), np.float16),
        "gate": np.ones((2, C), np.float16),
        "tokens": np.ones((5, D), np.float16),
        "token_counts": np.array([2, 3], np.uint32),
    }


def file(changes: Arrays, *, without: str = "", **metadata: str) -> bytes:
    """A class in which something was changed."""
    arrays = {k: v for k, v in (tensors() | changes).items() if k != without}
    return save(arrays, {"format": "fss-supports", "version": "1"} | metadata)


def with_value(name: str, value: float) -> Arrays:
    array = tensors()[name]
    array.flat[1] = value
    return {name: array}


HOSTILE: dict[str, Arrays] = {
    "double precision": {"affinity": np.ones((2, C), np.float64)},
    "single precision": {"affinity": np.ones((2, C), np.float32)},
    "whole numbers": {"tokens": np.ones((5, D), np.int16)},
    "other width": {"guided": np.ones((2, C + 1), np.float16)},
    "other depth": {"tokens": np.ones((5, D + 1), np.float16)},
    "other count": {"gate": np.ones((3, C), np.float16)},
    "one axis": {"gate": np.ones(2 * C, np.float16)},
    "no axis": {"affinity": np.ones((), np.float16), "token_counts": np.array(1, np.uint32)},
    "not a number": with_value("gate", np.nan),
    "infinite": with_value("tokens", np.inf),
    "token too few": {"token_counts": np.array([2, 2], np.uint32)},
    "token too many": {"token_counts": np.array([2, 2**32 - 1], np.uint32)},
    "overflowing counts": {"token_counts": np.array([2**31, 2**31 + 5], np.uint32)},
    "signed counts": {"token_counts": np.array([6, -1], np.int32)},
    "fractional counts": {"token_counts": np.array([2, np.nan], np.float32)},
    "shot without token": {"token_counts": np.array([0, 5], np.uint32)},
    "shot too large": {
        "tokens": np.ones((40, D), np.float16),
        "token_counts": np.array([1, 39], np.uint32),
    },
    "no shot": {
        **{name: np.ones((0, C), np.float16) for name in ("affinity", "guided", "gate")},
        "tokens": np.ones((0, D), np.float16),
        "token_counts": np.ones(0, np.uint32),
    },
    "more shots than a class may have": {
        **{name: np.ones((1025, 1), np.float16) for name in ("affinity", "guided", "gate")},
        "tokens": np.ones((1025, 1), np.float16),
        "token_counts": np.ones(1025, np.uint32),
    },
    "no channel": {
        name: np.ones((2, 0), np.float16) for name in ("affinity", "guided", "gate", "tokens")
    },
    "short refit": {"refit": np.ones(2 * C + 1, np.float32)},
    "refit not finite": {"refit": np.full(2 * C + 2, np.inf, np.float32)},
    "half a refit": {"refit": np.ones(2 * C + 2, np.float16)},
    "a refit beyond any": {"refit": np.full(2 * C + 2, 2e6, np.float32)},
    "short pixel classifier": {
        "refit": np.ones(2 * C + 2, np.float32),
        "pixel_classifier": np.ones(PIXEL_CLASSIFIER_SIZE - 1, np.float32),
    },
    "pixel classifier not finite": {
        "refit": np.ones(2 * C + 2, np.float32),
        "pixel_classifier": np.full(PIXEL_CLASSIFIER_SIZE, np.nan, np.float32),
    },
    "a pixel classifier beyond any": {
        "refit": np.ones(2 * C + 2, np.float32),
        "pixel_classifier": np.full(PIXEL_CLASSIFIER_SIZE, -2e6, np.float32),
    },
    "a pixel classifier that takes more than all": {
        "refit": np.ones(2 * C + 2, np.float32),
        "pixel_classifier": np.full(PIXEL_CLASSIFIER_SIZE, 1.5, np.float32),
    },
    "pixel classifier without a refit": {
        "pixel_classifier": np.ones(PIXEL_CLASSIFIER_SIZE, np.float32)
    },
    "without a refit, yet limited to some images": {"unfamiliar": np.ones(1, np.uint32)},
    "limited by more than yes": {
        "refit": np.ones(2 * C + 2, np.float32),
        "unfamiliar": np.full(1, 2, np.uint32),
    },
    "limited twice": {
        "refit": np.ones(2 * C + 2, np.float32),
        "unfamiliar": np.ones(2, np.uint32),
    },
    "another tensor": {"image": np.ones(4, np.float32)},
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("spec", [SPEC, None])
def test_hostile_tensors_are_refused(name: str, spec: ShotSpec | None) -> None:
    data = file(HOSTILE[name])
    if spec is None and name in {"shot too large", "other depth"}:
        decode_supports(data, None)  # that of some other model
        return
    with pytest.raises(InvalidArchiveError):
        decode_supports(data, spec)


@pytest.mark.parametrize("name", ["affinity", "tokens", "token_counts"])
def test_missing_tensor_is_refused(name: str) -> None:
    with pytest.raises(InvalidArchiveError):
        decode_supports(file({}, without=name), SPEC)


@pytest.mark.parametrize(
    "metadata", [{"version": "2"}, {"version": ""}, {"format": "fss-session"}, {"format": "pt"}]
)
def test_other_formats_and_versions_are_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(InvalidArchiveError, match="version 1"):
        decode_supports(file({}, **metadata), SPEC)


def header(content: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(content)) + content + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        b"\0" * 8,
        struct.pack("<Q", 2**63),
        struct.pack("<Q", 2**20 + 1) + b" " * (2**20 + 1),
        header(b"{}"),
        header(b"[" * 100_000),
        header(b'{"__metadata__":' + b'{"a":' * 50_000),
        header(b'{"affinity":{"dtype":"F16","shape":[9],"data_offsets":[0,2]}}', b"12"),
        header(b'{"x":{"dtype":"F16","shape":[4611686018427387904,0],"data_offsets":[0,0]}}'),
        header(b'{"x":{"dtype":"F16","shape":[' + b"0," * 99 + b'1],"data_offsets":[0,0]}}'),
        pickle.dumps({"affinity": [1]}),
    ],
    ids=range(12),
)
def test_what_is_no_safetensors_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidArchiveError):
        decode_supports(data, SPEC)
    with pytest.raises(InvalidArchiveError):
        decode_session(data, SPECS)


@pytest.mark.parametrize(
    "description",
    [
        "",
        "null",
        "[" * 100_000,
        {"model": ""},
        {"model": "m" * 201},
        {"created": "NaN"},
        {"created": -1},
        {"created": 1e300},
        {"classes": ["cat", ".."]},
        {"classes": ["cat", "do\ng"]},
        {"classes": ["cat"]},
        {"classes": ["cat", "dog", "ant"]},
        {"classes": ["caf\u00e9", "cafe\u0301"]},
        {"classes": [f"c{number}" for number in range(256)]},
        {"owner": "me"},
    ],
    ids=range(15),
)
def test_hostile_description_of_a_session_is_refused(description: str | dict[str, Any]) -> None:
    if isinstance(description, dict):
        good = {"model": "m@1", "created": 1.0, "classes": ["cat", "dog"]}
        description = json.dumps(good | description)
    arrays = {f"{i}.{name}": array for i in range(2) for name, array in tensors().items()}
    metadata = {"format": "fss-session", "version": "1", "session": description}
    with pytest.raises(InvalidArchiveError):
        decode_session(save(arrays, metadata), SPECS)


def test_every_cut_is_refused() -> None:
    data = encode_session(content())
    for length in range(len(data)):
        with pytest.raises(InvalidArchiveError):
            decode_session(data[:length], SPECS)
    with pytest.raises(InvalidArchiveError):
        decode_session(data + b"\0", SPECS)


def test_flipped_bits_are_refused_or_make_another_valid_session() -> None:
    data = encode_session(content())
    chooser = random.Random(0)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(data)
        for _ in range(chooser.randint(1, 3)):
            damaged[chooser.randrange(len(data))] ^= 1 << chooser.randrange(8)
        try:
            session = decode_session(bytes(damaged), SPECS)
        except InvalidArchiveError:
            refused += 1
            continue
        for supports in session.classes.values():
            assert all(np.isfinite(array).all() for shot in supports.shots for array in shot)
    assert refused > 1000


def test_class_with_a_close_up_comes_back() -> None:
    close_up = replace(random_supports(2), side=240)
    supports = replace(random_supports(2, adapted=True), side=3464, close_up=close_up)
    session = SessionContent("m@1", 1.0, {"thing": supports})
    kept = decode_session(encode_session(session), SPECS).classes["thing"]
    assert (kept.side, kept.close_up_or_self.side, kept.close_up_or_self.close_up) == (
        3464,
        240,
        None,
    )
    np.testing.assert_array_equal(kept.close_up_or_self.shots[1].tokens, close_up.shots[1].tokens)
    assert kept.nbytes == supports.nbytes > close_up.nbytes


def test_class_with_portraits_comes_back() -> None:
    identities = np.arange(3 * D, dtype=np.float16).reshape(3, D)
    supports = replace(random_supports(), identities=identities)
    kept = decode_session(encode_session(SessionContent("m@1", 1.0, {"a": supports})), SPECS)
    assert kept.classes["a"].identities is not None
    np.testing.assert_array_equal(kept.classes["a"].identities, identities)


@pytest.mark.parametrize(
    "extra",
    [
        {"identities": np.zeros((2, D), np.float16)},
        {"identities": np.zeros((3, D), np.float32)},
        {"identities": np.full((3, D), np.inf, np.float16)},
        {"side": np.zeros(1, np.uint32)},
        {"side": np.ones(2, np.uint32)},
        {"close.gate": np.zeros((3, C), np.float16)},
        {"close.close.side": np.ones(1, np.uint32)},
    ],
)
def test_optional_tensor_of_another_shape_or_type_is_refused(extra: Arrays) -> None:
    tensors = {**to_tensors(random_supports()), **extra}
    with pytest.raises(InvalidArchiveError):
        decode_supports(save(tensors, {"format": "fss-supports", "version": "1"}), SPEC)


@pytest.mark.parametrize(("shots", "side"), [(1, 240), (2, None)])
def test_close_up_of_other_shots_or_of_no_scale_is_refused(shots: int, side: int | None) -> None:
    two = SupportSet(random_supports().shots[:2], side=3464)
    supports = replace(two, close_up=SupportSet(two.shots[:shots], side=side))
    data = encode_session(SessionContent("m@1", 1.0, {"thing": supports}))
    with pytest.raises(InvalidArchiveError, match="close-up"):
        decode_session(data, SPECS)
