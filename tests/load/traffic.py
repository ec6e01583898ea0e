"""Clients that ask, by turns or by chance, and judge what they are told."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import numpy as np

from tests.load.judgement import (
    Kind,
    Verdict,
    judge_deletion,
    judge_registration,
    judge_segmentation,
)
from tests.load.tally import Outcome, Tally
from tests.load.tenants import (
    SHOTS,
    TIMEOUT_S,
    Lesson,
    Question,
    Tenant,
    segment_request,
    session_of,
)
from tests.load.wire import Connection, LostError, Reply, request

_LOST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_REPEATABLE = frozenset({Kind.REFUSED, Kind.LOST})


@dataclass(frozen=True)
class Mix:
    """What is asked: shares of sessions that come and go, and of pictures nobody saw before.

    timeout_s: of one attempt.
    patience_s: for which a request that is refused or lost is sent again, as often as need be.
    """

    registrations: float = 0.1
    fresh: float = 0.5
    timeout_s: float = TIMEOUT_S
    patience_s: float = 0.0


@dataclass
class Traffic:
    """Asks at random what a mix says, and keeps the outcomes.

    Args:
        port: of the service.
        tenants: their sessions must live.
        mix: of requests.
        seed: of the choice.
    """

    port: int
    tenants: Sequence[Tenant]
    mix: Mix = field(default_factory=Mix)
    seed: int = 0
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._fresh = count()

    async def closed_loop(self, clients: int, seconds: float) -> Tally:
        """Each client asks again as soon as it is answered; the outcomes of this loop alone.

        One that is refused waits first, as long as the service says.
        """
        stop = asyncio.Event()
        timer = asyncio.get_running_loop().call_later(seconds, stop.set)
        try:
            return await self.until(stop, clients)
        finally:
            timer.cancel()

    async def until(self, stop: asyncio.Event, clients: int) -> Tally:
        """A closed loop until told to stop."""
        began = time.monotonic()
        before = len(self.tally.outcomes)

        async def client() -> None:
            connection = Connection(self.port)
            while not stop.is_set():
                await self.ask_one(connection, time.monotonic())
                await asyncio.sleep(self.tally.outcomes[-1].pause_s)
            connection.close()

        await asyncio.gather(*(client() for _ in range(clients)))
        return self._since(before, began)

    async def open_loop(self, rate: float, seconds: float) -> Tally:
        """Requests come by chance at a rate whether or not earlier ones are answered (Poisson).

        Latency counts from the intended instant, so a service that stalls cannot hide behind
        requests that were not sent meanwhile.
        """
        began = time.monotonic()
        before = len(self.tally.outcomes)
        idle: list[Connection] = []
        running: set[asyncio.Task[None]] = set()

        async def arrive(intended: float) -> None:
            connection = idle.pop() if idle else Connection(self.port)
            await self.ask_one(connection, intended)
            idle.append(connection)

        intended = began
        while (intended := intended + self._rng.exponential(1 / rate)) < began + seconds:
            await asyncio.sleep(max(0.0, intended - time.monotonic()))
            task = asyncio.create_task(arrive(intended))
            running.add(task)
            task.add_done_callback(running.discard)
        last_sent = time.monotonic()
        await asyncio.gather(*running)
        for connection in idle:
            connection.close()
        tally = self._since(before, began)
        tally.drain_s = time.monotonic() - last_sent
        return tally

    async def ask_one(self, connection: Connection, intended: float) -> None:
        """One question to a living session, or the whole life of a new one."""
        tenant = self.tenants[int(self._rng.integers(len(self.tenants)))]
        if self._rng.random() < self.mix.registrations:
            await self.live(connection, tenant, questions=1, intended=intended)
        else:
            await self.segment(connection, tenant, tenant.session_id, intended)

    async def live(
        self,
        connection: Connection,
        tenant: Tenant,
        *,
        questions: int,
        intended: float,
        delete: bool = True,
    ) -> None:
        """A new session taught like a tenant's: its registrations, questions, and its end."""
        session_id: str | None = None
        for lesson in tenant.lessons:
            session_id = await self.learn(connection, lesson, session_id, intended)
            if session_id is None:
                return  # told in the tally; what would follow has no session to go to
            intended = time.monotonic()
        if session_id is None:
            return
        for _ in range(questions):
            await self.segment(connection, tenant, session_id)
        if delete:
            forget = request("DELETE", f"/sessions/{session_id}")
            judge = partial(judge_deletion, repeated=self.mix.patience_s > 0)
            await self._ask(connection, "delete", forget, judge, time.monotonic())

    async def learn(
        self, connection: Connection, lesson: Lesson, session_id: str | None, intended: float
    ) -> str | None:
        """Register one class; the session it went to, or None where it was not taken."""

        def judge(reply: Reply) -> Verdict:
            return judge_registration(reply, session_id, lesson.class_name, SHOTS)

        content = lesson.request(session_id)
        reply = await self._ask(connection, "register", content, judge, intended)
        return session_of(reply) if reply is not None and reply.status == 201 else None

    async def segment(
        self,
        connection: Connection,
        tenant: Tenant,
        session_id: str,
        intended: float | None = None,
        question: Question | None = None,
    ) -> None:
        """One question of a tenant's, by default any, to a session taught like it."""
        if question is None:
            question = tenant.questions[int(self._rng.integers(len(tenant.questions)))]
        asked = question.known
        if self._rng.random() < self.mix.fresh:
            asked = question.fresh[next(self._fresh) % len(question.fresh)]
        content = segment_request(asked.body, session_id)

        def judge(reply: Reply) -> Verdict:
            return judge_segmentation(reply, session_id, asked.expected)

        await self._ask(connection, "segment", content, judge, intended or time.monotonic())

    async def _ask(
        self,
        connection: Connection,
        operation: str,
        content: bytes,
        judge: Callable[[Reply], Verdict],
        intended: float,
    ) -> Reply | None:
        give_up_at = time.monotonic() + self.mix.patience_s
        for attempt in count(1):
            reply, verdict = await self._attempt(connection, content, judge)
            repeatable = verdict.kind in _REPEATABLE
            pause_s = self._pause_s(attempt, reply) if repeatable else 0.0
            if not repeatable or time.monotonic() + pause_s > give_up_at:
                break
            await asyncio.sleep(pause_s)
        seconds = time.monotonic() - intended
        self.tally.add(Outcome(operation, intended, seconds, verdict, attempt, pause_s))
        return reply

    async def _attempt(
        self, connection: Connection, content: bytes, judge: Callable[[Reply], Verdict]
    ) -> tuple[Reply | None, Verdict]:
        try:
            reply = await connection.ask(content, timeout_s=self.mix.timeout_s)
        except LostError as exc:
            return None, Verdict(Kind.LOST, str(exc))
        return reply, judge(reply)

    def _pause_s(self, attempt: int, reply: Reply | None) -> float:
        """What the service asks for, else longer each time; spread, so that clients part."""
        asked = (reply.headers if reply else {}).get("retry-after")
        if asked is not None:
            return float(asked) * float(self._rng.uniform(1, 1.25))
        longest_s = min(_LONGEST_PAUSE_S, _LOST_PAUSE_S * 2.0 ** (attempt - 1))
        return longest_s * float(self._rng.uniform(0.5, 1))

    def _since(self, before: int, began: float) -> Tally:
        return Tally(time.monotonic() - began, self.tally.outcomes[before:])
