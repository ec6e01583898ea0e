"""Keeps a session for each Label Studio project, whose classes are what is annotated there.

Label Studio is the source of truth, the session a copy that can be made again: however often and in
whatever order webhooks arrive, the newest annotations are read and replace the session's content.
The content of a webhook is not trusted; it says only that a project changed.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
from typing import NamedTuple
from weakref import WeakValueDictionary

from service.engine import INFERENCE_ATTEMPTS
from service.errors import (
    QueueFullError,
    RetryableError,
    ServiceError,
    SessionNotFoundError,
)
from service.labelling_tools.class_learner import ClassLearner
from service.labelling_tools.shot_reader import is_transient
from service.labelling_tools.studio import LabelStudio
from service.schemas import SESSION_ID_BYTES
from service.sessions import Resources
from service.stores import Session, SessionKey
from service.telemetry import context_without_request

_log = logging.getLogger(__name__)

_MAX_RUNNING, _MAX_RUNNING_OF_OWNER = 1024, 64
_ATTEMPTS = INFERENCE_ATTEMPTS
_RETRY_PAUSE_S = 0.2  # longer before each attempt, none before the first
_MAX_FAILED = 1024  # projects that are retried; beyond them the oldest wait for a webhook
# Label Studio may ask for predictions while it responds to this service, which would then wait for
# itself: a project that evaluates predictions automatically does so when its tasks are listed.
_FOLLOW_WAIT_S = 2.0


class ProjectKey(NamedTuple):
    """A project, and whose session it fills."""

    owner: str
    project: int


class ProjectMirror:
    """Follows projects in the background, one at a time; changes that coincide are merged.

    Owners take turns, so that many projects of one keep no other waiting.

    Args:
        studio: where the projects are.
        resources: of the use cases.
        max_shots: of a class; its newest annotations are kept.
    """

    def __init__(self, studio: LabelStudio, resources: Resources, *, max_shots: int) -> None:
        self.studio = studio
        self._resources = resources
        self._learner = ClassLearner(studio, max_shots=max_shots)
        self._running: dict[ProjectKey, asyncio.Task[ServiceError | None]] = {}
        self._stale: set[ProjectKey] = set()
        self._failed: dict[ProjectKey, None] = {}  # oldest first
        # An owner has one project in the line for the only place, so that owners take turns.
        self._owner_places: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._place = asyncio.Lock()

    def session_key(self, key: ProjectKey) -> SessionKey:
        """The key of the project's session: the same after a restart, and not to be guessed.

        A digest keyed with the token, in the format of the ids that the service makes itself.
        """
        name = f"{self.studio.url} {key.owner} {key.project}"
        digest = hmac.digest(self.studio.token.encode(), name.encode(), hashlib.sha256)
        session_id = base64.urlsafe_b64encode(digest[:SESSION_ID_BYTES]).decode()
        return SessionKey(key.owner, session_id)

    def follow(self, key: ProjectKey) -> "asyncio.Task[ServiceError | None]":
        """Update the session to what the project holds now, in the background.

        Raises:
            QueueFullError: too many projects at once.
        """
        self._stale.add(key)
        running = self._running.get(key)
        if running is None:
            of_owner = sum(each.owner == key.owner for each in self._running)
            if of_owner >= _MAX_RUNNING_OF_OWNER or len(self._running) >= _MAX_RUNNING:
                self._stale.discard(key)
                raise QueueFullError("too many Label Studio projects changed at once")
            running = asyncio.create_task(self._follow(key), context=context_without_request())
            self._running[key] = running
        return running

    async def session(self, key: ProjectKey) -> Session:
        """The session of a project, after updates in progress; read from the project if missing.

        An update that takes long is not waited for: the session is as it was before.

        Raises:
            RetryableError: the session is missing, and the project is still being read.
            ServiceError: the session is missing, and the project cannot be read.
        """
        running = self._running.get(key)
        if running is None and key in self._failed:
            with contextlib.suppress(QueueFullError):
                running = self.follow(key)
        if running is not None:
            await asyncio.wait([running], timeout=_FOLLOW_WAIT_S)
        with contextlib.suppress(SessionNotFoundError):
            session = await self._resources.store.get(self.session_key(key))
            if session.model == self._resources.models.default.manifest.model:
                return session
        if running is not None and not running.done():
            raise RetryableError("the project is still being read from Label Studio")
        failure = await asyncio.shield(self.follow(key))
        if failure is not None:
            raise failure
        return await self._resources.store.get(self.session_key(key))

    async def close(self) -> None:
        """Stop updates in progress; the next start reads the projects again."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.studio.close()

    async def _follow(self, key: ProjectKey) -> ServiceError | None:
        failure: ServiceError | None = None
        owner_place = self._owner_places.setdefault(key.owner, asyncio.Lock())
        try:
            while key in self._stale:
                async with owner_place, self._place:
                    self._stale.discard(key)
                    failure = await self._copy_with_retries(key)
        finally:
            self._stale.discard(key)
            del self._running[key]
        # A transient failure is retried when somebody asks for the session.
        self._failed.pop(key, None)
        if failure is not None and is_transient(failure):
            self._failed[key] = None
            if len(self._failed) > _MAX_FAILED:
                del self._failed[next(iter(self._failed))]
        return failure

    async def _copy_with_retries(self, key: ProjectKey) -> ServiceError | None:
        """Returns None, or why the project could not be followed after some attempts."""
        for attempt in range(_ATTEMPTS):
            await asyncio.sleep(_RETRY_PAUSE_S * attempt)
            try:
                await self._copy(key)
            except ServiceError as exc:
                failure = exc
                if not is_transient(exc):
                    break
            else:
                return None
        _log.warning("label studio project not followed", extra={"code": failure.code})
        return failure

    async def _copy(self, key: ProjectKey) -> None:
        with self._resources.using(self._resources.models.default) as resources:
            content = await self._learner.session_content(resources, key.project)
            await resources.store.restore(self.session_key(key), content)


def model_version(session: Session) -> str:
    """Changes with every shot: Label Studio asks again for predictions of another version."""
    digest = hashlib.sha256(session.model.encode())
    for name, supports in session.classes.items():
        digest.update(name.encode())
        for shot in supports.shots:
            digest.update(shot.affinity.tobytes())
    shots = sum(len(supports.shots) for supports in session.classes.values())
    return f"{session.model} {shots} shots {digest.hexdigest()[:8]}"
