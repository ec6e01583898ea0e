"""Whether an answer is the one that was asked for, by its content."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from pycocotools import mask as coco_mask

from tests.load.wire import Reply

# In a batch with others, sums run in another order, which may move a pixel at an edge.
MIN_IOU = 0.99
# Pictures of different questions differ by more than any such thing.
MAX_UNLIKE_IOU = 0.8
_REFUSALS = frozenset({429, 503, 504})
_WITH_RETRY_AFTER = frozenset({429, 503})


class Kind(StrEnum):
    """What became of a request.

    exact: the expected answer to the last bit. close: the same classes, masks alike.
    refused: 429, 503 or 504, well-formed. failed: any other error.
    wrong: not the expected content. mixed: the answer to somebody else. lost: none at all.
    """

    EXACT = "exact"
    CLOSE = "close"
    REFUSED = "refused"
    FAILED = "failed"
    WRONG = "wrong"
    MIXED = "mixed"
    LOST = "lost"


class Verdict(NamedTuple):
    """A kind, and the code of a refusal or what is wrong."""

    kind: Kind
    detail: str = ""


class Expected(NamedTuple):
    """What an idle service answers: its bytes without the session, and what they say."""

    anonymous: bytes
    results: list[dict[str, Any]]


class UnusableAnswerError(Exception):
    """The idle service did not answer a question as it must."""


def expect(reply: Reply, session_id: str) -> Expected:
    """Take an idle service's answer as the truth.

    Raises:
        UnusableAnswerError: it is no answer.
    """
    if reply.status != 200:
        raise UnusableAnswerError(f"an idle service answered {reply.status}: {reply.body[:300]!r}")
    return Expected(_anonymous(reply.body, session_id), json.loads(reply.body)["results"])


def judge_segmentation(reply: Reply, session_id: str, expected: Expected) -> Verdict:
    """The verdict on an answer of `POST /segment`."""
    if reply.status != 200:
        return judge_error(reply)
    if _anonymous(reply.body, session_id) == expected.anonymous:
        return Verdict(Kind.EXACT)
    answer = json.loads(reply.body)
    if answer["session_id"] != session_id:
        return Verdict(Kind.MIXED, "the answer names another session")
    if class_names(answer["results"]) != class_names(expected.results):
        return Verdict(Kind.MIXED, "the answer names other classes")
    agreement = overlap(answer["results"], expected.results)
    if agreement < MIN_IOU:
        return Verdict(Kind.WRONG, f"a mask overlaps the expected one by {agreement:.3f}")
    return Verdict(Kind.CLOSE)


def judge_registration(
    reply: Reply, session_id: str | None, class_name: str, shots: int
) -> Verdict:
    """The verdict on an answer of `POST /support`."""
    if reply.status != 201:
        return judge_error(reply)
    answer = json.loads(reply.body)
    if session_id is not None and answer["session_id"] != session_id:
        return Verdict(Kind.MIXED, "the answer names another session")
    if (answer["class_name"], answer["shots"]) != (class_name, shots):
        return Verdict(Kind.WRONG, f"{answer['shots']} shots of {answer['class_name']!r}")
    return Verdict(Kind.EXACT)


def judge_deletion(reply: Reply, *, repeated: bool) -> Verdict:
    """The verdict on an answer of `DELETE /sessions/{id}`, which may have come once before."""
    gone = reply.status == 204 or (repeated and reply.status == 404)
    return Verdict(Kind.EXACT) if gone else judge_error(reply)


def judge_error(reply: Reply) -> Verdict:
    """Refused, if well-formed, or failed."""
    code = _code(reply)
    if reply.status not in _REFUSALS or code is None:
        return Verdict(Kind.FAILED, f"{reply.status} {code or 'without a problem'}")
    if reply.status in _WITH_RETRY_AFTER and "retry-after" not in reply.headers:
        return Verdict(Kind.FAILED, f"{reply.status} {code} without Retry-After")
    return Verdict(Kind.REFUSED, f"{reply.status} {code}")


def _code(reply: Reply) -> str | None:
    if reply.headers.get("content-type") != "application/problem+json":
        return None
    return str(json.loads(reply.body)["code"])


def class_names(results: list[dict[str, Any]]) -> list[list[str]]:
    """Of every image."""
    return [[entry["class_name"] for entry in result["classes"]] for result in results]


def overlap(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> float:
    """The least overlap of any mask with its counterpart; 0 where they differ in number or size."""
    masks, others = _masks(first), _masks(second)
    if len(masks) != len(others):
        return 0.0
    return min((_iou(*pair) for pair in zip(masks, others, strict=True)), default=1.0)


def _masks(results: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    return [entry["mask"] for result in results for entry in result["classes"]]


def _iou(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    if first["size"] != second["size"]:
        return 0.0
    if first["counts"] == second["counts"]:
        return 1.0
    return float(coco_mask.iou([dict(first)], [dict(second)], [0])[0][0])


def _anonymous(body: bytes, session_id: str) -> bytes:
    return body.replace(session_id.encode(), b"", 1)
