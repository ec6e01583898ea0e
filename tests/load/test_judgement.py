"""Answers are told apart by their content."""

import json
from typing import Any

import numpy as np
import pytest

from service.imaging import encode_rle
from tests.load.judgement import (
    Expected,
    Kind,
    UnusableAnswerError,
    expect,
    judge_deletion,
    judge_error,
    judge_registration,
    judge_segmentation,
)
from tests.load.wire import Reply

SESSION = "session-one"


def results(width: int = 40, name: str = "red") -> list[dict[str, Any]]:
    mask = np.zeros((60, 80), np.bool_)
    mask[10:50, 20 : 20 + width] = True
    return [{"classes": [{"class_name": name, "mask": encode_rle(mask).model_dump()}]}]


def segmentation(content: list[dict[str, Any]], session_id: str = SESSION) -> Reply:
    body = {"session_id": session_id, "results": content}
    return Reply(200, {}, json.dumps(body).encode())


def problem(status: int, code: str, **headers: str) -> Reply:
    media_type = {"content-type": "application/problem+json"}
    return Reply(status, media_type | headers, json.dumps({"code": code}).encode())


@pytest.fixture
def expected() -> Expected:
    return expect(segmentation(results()), SESSION)


def test_an_answer_that_is_right_to_the_last_bit_is_exact(expected: Expected) -> None:
    other = segmentation(results(), "session-two")
    assert judge_segmentation(other, "session-two", expected).kind == Kind.EXACT


def test_a_mask_that_hardly_differs_is_close_and_another_is_wrong(expected: Expected) -> None:
    content = results()
    content[0]["classes"][0]["score"] = 0.5
    assert judge_segmentation(segmentation(content), SESSION, expected).kind == Kind.CLOSE
    wrong = judge_segmentation(segmentation(results(width=38)), SESSION, expected)
    assert (wrong.kind, "0.950" in wrong.detail) == (Kind.WRONG, True)
    assert judge_segmentation(segmentation([]), SESSION, expected).kind == Kind.MIXED


def test_an_answer_to_somebody_else_is_mixed_up(expected: Expected) -> None:
    for answer in (segmentation(results(), "session-two"), segmentation(results(name="blue"))):
        assert judge_segmentation(answer, SESSION, expected).kind == Kind.MIXED


def test_a_refusal_must_be_well_formed() -> None:
    busy = {"retry-after": "1"}
    assert judge_error(problem(503, "queue_full", **busy)) == (Kind.REFUSED, "503 queue_full")
    assert judge_error(problem(504, "deadline_exceeded")).kind == Kind.REFUSED
    for reply in (
        problem(503, "queue_full"),
        problem(500, "internal_error", **busy),
        problem(404, "session_not_found"),
        Reply(503, busy, b"busy"),
    ):
        assert judge_error(reply).kind == Kind.FAILED


def test_a_registration_must_be_of_the_class_that_was_sent() -> None:
    body = {"session_id": SESSION, "class_name": "red", "shots": 2}
    reply = Reply(201, {}, json.dumps(body).encode())
    assert judge_registration(reply, None, "red", 2).kind == Kind.EXACT
    assert judge_registration(reply, SESSION, "red", 2).kind == Kind.EXACT
    assert judge_registration(reply, "session-two", "red", 2).kind == Kind.MIXED
    assert judge_registration(reply, SESSION, "red", 3).kind == Kind.WRONG
    assert judge_registration(reply, SESSION, "blue", 2).kind == Kind.WRONG


def test_a_deletion_is_answered_with_nothing() -> None:
    assert judge_deletion(Reply(204, {}, b""), repeated=False).kind == Kind.EXACT
    gone = problem(404, "session_not_found")
    assert judge_deletion(gone, repeated=False).kind == Kind.FAILED
    assert judge_deletion(gone, repeated=True).kind == Kind.EXACT


def test_an_idle_service_that_refuses_gives_nothing_to_compare_with() -> None:
    with pytest.raises(UnusableAnswerError, match="503"):
        expect(problem(503, "not_ready"), SESSION)
