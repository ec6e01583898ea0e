"""Sessions with classes and questions of their own, whose right answers are known."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tests.load.judgement import (
    MAX_UNLIKE_IOU,
    Expected,
    Kind,
    UnusableAnswerError,
    expect,
    judge_registration,
    overlap,
)
from tests.load.scenes import COLOURS, Scene, Size, draw, encode, variants
from tests.load.scenes import Kind as FileKind
from tests.load.wire import Body, Connection, Reply, form, request

IDEMPOTENCY_HEADER = "Idempotency-Key"
SESSION_HEADER = "X-Session-ID"
SHOTS = 2
TIMEOUT_S = 90.0
_MAX_REDRAWS = 30


class Lesson(NamedTuple):
    """One registration: a class by name, and the body that teaches it."""

    class_name: str
    body: Body

    def request(self, session_id: str | None) -> bytes:
        """`POST /support`, to a session or to a new one; the same bytes register it once."""
        headers = {IDEMPOTENCY_HEADER: uuid4().hex}
        if session_id is not None:
            headers[SESSION_HEADER] = session_id
        return request("POST", "/support", self.body, headers)


class Asked(NamedTuple):
    """Pictures, and what an idle service says to them."""

    body: Body
    expected: Expected


class Question(NamedTuple):
    """Pictures that are asked again and again, and faint variations that come more seldom."""

    known: Asked
    fresh: tuple[Asked, ...]


@dataclass(frozen=True)
class Tenant:
    """A session, how it was taught, and what can be asked of it."""

    session_id: str
    lessons: tuple[Lesson, ...]
    questions: tuple[Question, ...]


class Style(NamedTuple):
    """How pictures are made: their size, file format, and variants of each question.

    mode, adapt: how the service looks at them; see `SegmentForm.mode` and `SupportForm.adapt`.
    """

    size: Size = Size(96, 128)
    kind: FileKind = "png"
    fresh: int = 10
    images: int = 1
    mode: Literal["auto", "whole"] = "auto"
    adapt: Literal["auto", "false"] = "auto"


def segment_request(body: Body, session_id: str) -> bytes:
    """`POST /segment` to a session."""
    return request("POST", "/segment", body, {SESSION_HEADER: session_id})


async def prepare(
    port: int, *, tenants: int, questions: int, style: Style, seed: int, quiet: bool = False
) -> list[Tenant]:
    """Teach an idle service and ask it everything once, one request at a time.

    Every second session has three classes, the others one. Any two expected answers differ, so
    that one in the place of another cannot pass.

    Raises:
        UnusableAnswerError: the service refuses, or answers all pictures alike.
    """
    connection = Connection(port)
    made: list[Tenant] = []
    try:
        for number in tqdm(range(tenants), "sessions", disable=quiet, leave=False):
            rng = np.random.default_rng((seed, number))
            colours = _colours(number)
            lessons = tuple(
                _lesson(f"{colour} of {number}", colour, style, rng) for colour in colours
            )
            session_id = await teach(connection, lessons)
            known = [question.known.expected for tenant in made for question in tenant.questions]
            asked: list[Question] = []
            for _ in range(questions):
                already = [*known, *(question.known.expected for question in asked)]
                asked.append(await _ask_new(connection, session_id, colours, style, rng, already))
            made.append(Tenant(session_id, lessons, tuple(asked)))
    finally:
        connection.close()
    return made


async def teach_again(port: int, tenants: Sequence[Tenant]) -> list[Tenant]:
    """The same sessions at another service, which has not seen any question yet.

    Raises:
        UnusableAnswerError: a registration did not succeed.
    """
    connection = Connection(port)
    try:
        return [
            replace(tenant, session_id=await teach(connection, tenant.lessons))
            for tenant in tenants
        ]
    finally:
        connection.close()


async def teach(connection: Connection, lessons: Sequence[Lesson]) -> str:
    """Register all lessons to a new session, which is returned.

    Raises:
        UnusableAnswerError: a registration did not succeed.
    """
    session_id: str | None = None
    for lesson in lessons:
        reply = await connection.ask(lesson.request(session_id), timeout_s=TIMEOUT_S)
        verdict = judge_registration(reply, session_id, lesson.class_name, SHOTS)
        if verdict.kind != Kind.EXACT:
            raise UnusableAnswerError(f"the service did not learn a class: {verdict.detail}")
        session_id = session_of(reply)
    if session_id is None:
        raise UnusableAnswerError("a session without a class was asked for")
    return session_id


def session_of(reply: Reply) -> str:
    """The session that a registration went to."""
    return str(json.loads(reply.body)["session_id"])


def _colours(number: int) -> tuple[str, ...]:
    names = tuple(COLOURS)
    count = 3 if number % 2 else 1
    return tuple(names[(number + step) % len(names)] for step in range(count))


def _lesson(class_name: str, colour: str, style: Style, rng: np.random.Generator) -> Lesson:
    scenes = [_scene([colour], style.size, rng) for _ in range(SHOTS)]
    files = [("images", encode(scene.image, style.kind)) for scene in scenes]
    files += [("masks", encode(scene.masks[colour], "png")) for scene in scenes]
    return Lesson(class_name, form({"class_name": class_name, "adapt": style.adapt}, files))


def _scene(colours: Sequence[str], size: Size, rng: np.random.Generator) -> Scene:
    """The colours and one other, so that not everything but the ground is the object."""
    others = [name for name in COLOURS if name not in colours]
    return draw([*colours, str(rng.choice(others))], size, rng)


async def _ask_new(
    connection: Connection,
    session_id: str,
    colours: Sequence[str],
    style: Style,
    rng: np.random.Generator,
    known: Sequence[Expected],
) -> Question:
    """A question whose answer is unlike all that are known."""
    for _ in range(_MAX_REDRAWS):
        scenes = [_scene(colours, style.size, rng) for _ in range(style.images)]
        asked = await _ask(connection, session_id, [scene.image for scene in scenes], style)
        if any(_alike(asked.expected, other) for other in known):
            continue
        streams = [variants(scene.image, rng) for scene in scenes]
        fresh = [
            await _ask(connection, session_id, images, style)
            for images in islice(zip(*streams, strict=True), style.fresh)
        ]
        return Question(asked, tuple(fresh))
    raise UnusableAnswerError("the service answers different pictures alike")


async def _ask(
    connection: Connection, session_id: str, images: Sequence[NDArray[np.uint8]], style: Style
) -> Asked:
    body = form({"mode": style.mode}, [("images", encode(image, style.kind)) for image in images])
    reply = await connection.ask(segment_request(body, session_id), timeout_s=TIMEOUT_S)
    return Asked(body, expect(reply, session_id))


def _alike(first: Expected, second: Expected) -> bool:
    return overlap(first.results, second.results) > MAX_UNLIKE_IOU
