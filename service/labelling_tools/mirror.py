"""Keeps a session for each Label Studio project: its classes are what people drew there.

Label Studio is the record, the session a copy that can be made again: whatever happened, once or
twice, in whatever order, the newest annotations are read and the session takes their content. What
a webhook carries is not believed; it says only that a project changed.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from model.contract import SupportPrototype, SupportSet
from service.errors import (
    DeadlineExceededError,
    InferenceError,
    QueueFullError,
    RetryableError,
    ServiceError,
    SessionNotFoundError,
    StudioError,
)
from service.imaging import encode_png_mask
from service.labelling_tools.label_config import LabelConfig, parse_label_config
from service.labelling_tools.regions import Region, to_masks
from service.labelling_tools.studio import Annotation, LabelStudio, Task, UndeliveredImageError
from service.schemas import SESSION_ID_BYTES, ClassName
from service.sessions import ModelResources, Resources, learn_shot
from service.stores import Session, SessionContent, SessionKey

_log = logging.getLogger(__name__)

_MAX_RUNNING = 64
_MAX_KNOWN_BYTES = 256 << 20
_ATTEMPTS = 3
# Label Studio may ask for predictions in the middle of an answer to this service, which would wait
# for itself: a project that evaluates predictions automatically does so when its tasks are listed.
_FOLLOW_WAIT_S = 2.0
_CLASS_NAME: TypeAdapter[str] = TypeAdapter(ClassName)


class Follower(NamedTuple):
    """A project, and whose session it fills."""

    owner: str
    project: int


class _ShotKey(NamedTuple):
    """An annotation as it was when it was learned, and by what."""

    model: str
    annotation: int
    updated_at: str
    label: str


class ProjectMirror:
    """Follows projects in the background, one at a time; changes that meet are followed once.

    Args:
        studio: where the projects are.
        resources: of the use cases.
        max_shots: of a class; its newest annotations are kept.
    """

    def __init__(self, studio: LabelStudio, resources: Resources, *, max_shots: int) -> None:
        self.studio = studio
        self._resources = resources
        self._max_shots = max_shots
        self._running: dict[Follower, asyncio.Task[ServiceError | None]] = {}
        self._stale: set[Follower] = set()
        self._behind: set[Follower] = set()
        self._turn = asyncio.Semaphore(1)
        self._known: OrderedDict[_ShotKey, SupportPrototype] = OrderedDict()
        self._known_bytes = 0

    def key(self, follower: Follower) -> SessionKey:
        """The project's session, the same after a restart; nobody without the token can guess it.

        A digest keyed with the token, in the form of the ids that the service makes itself.
        """
        name = f"{self.studio.url} {follower.owner} {follower.project}"
        digest = hmac.digest(self.studio.token.encode(), name.encode(), hashlib.sha256)
        session_id = base64.urlsafe_b64encode(digest[:SESSION_ID_BYTES]).decode()
        return SessionKey(follower.owner, session_id)

    def follow(self, follower: Follower) -> "asyncio.Task[ServiceError | None]":
        """Bring the session to what the project holds now, in the background.

        Raises:
            QueueFullError: too many projects at once.
        """
        self._stale.add(follower)
        running = self._running.get(follower)
        if running is None:
            if len(self._running) >= _MAX_RUNNING:
                self._stale.discard(follower)
                raise QueueFullError("too many Label Studio projects changed at once")
            running = asyncio.create_task(self._follow(follower))
            self._running[follower] = running
        return running

    async def session(self, follower: Follower) -> Session:
        """The session of a project, after what is under way; read from the project if it is gone.

        What takes long is not waited for: the session is as it was before.

        Raises:
            RetryableError: the session is gone, and the project is still being read.
            ServiceError: the session is gone, and the project cannot be read.
        """
        running = self._running.get(follower)
        if running is None and follower in self._behind:
            with contextlib.suppress(QueueFullError):
                running = self.follow(follower)
        if running is not None:
            await asyncio.wait([running], timeout=_FOLLOW_WAIT_S)
        with contextlib.suppress(SessionNotFoundError):
            session = await self._resources.store.get(self.key(follower))
            if session.model == self._resources.models.default.manifest.model:
                return session
        if running is not None and not running.done():
            raise RetryableError("the project is still being read from Label Studio")
        failure = await asyncio.shield(self.follow(follower))
        if failure is not None:
            raise failure
        return await self._resources.store.get(self.key(follower))

    async def close(self) -> None:
        """Stop what is under way; the next start reads the projects again."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.studio.close()

    async def _follow(self, follower: Follower) -> ServiceError | None:
        failure: ServiceError | None = None
        try:
            while follower in self._stale:
                async with self._turn:
                    self._stale.discard(follower)
                    failure = await self._tried(follower)
        finally:
            self._stale.discard(follower)
            del self._running[follower]
        # What did not work for now is tried again when somebody asks for the session.
        self._behind.discard(follower)
        if failure is not None and _may_pass(failure):
            self._behind.add(follower)
        return failure

    async def _tried(self, follower: Follower) -> ServiceError | None:
        """Nothing, or why the project could not be followed, after some attempts."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._copy(follower)
            except ServiceError as exc:
                failure = exc
                if not _may_pass(exc):
                    break
                await asyncio.sleep(0.2 * attempt)
            else:
                return None
        _log.warning("label studio project not followed", extra={"code": failure.code})
        return failure

    async def _copy(self, follower: Follower) -> None:
        with self._resources.using(self._resources.models.default) as resources:
            await self._copy_with(resources, follower)

    async def _copy_with(self, resources: ModelResources, follower: Follower) -> None:
        config = parse_label_config(await self.studio.label_config(follower.project))
        tasks = await self.studio.annotated_tasks(follower.project)
        classes: dict[str, list[SupportPrototype]] = {}
        lost: dict[str, UndeliveredImageError] = {}
        for task, annotation in _newest_first(tasks):
            for label, shot in (
                await self._shots(resources, task, annotation, config, classes, lost)
            ).items():
                classes.setdefault(label, []).append(shot)
        for label, undelivered in lost.items():
            if label not in classes:
                raise undelivered  # what the session holds of the class is better than nothing
        # In the order of the config: that of the annotations changes.
        content = {
            label: SupportSet(tuple(classes[label]))
            for label in config.controls
            if label in classes
        }
        created = SessionContent(resources.model, time.time(), content)
        await resources.store.restore(self.key(follower), created)

    async def _shots(
        self,
        resources: ModelResources,
        task: Task,
        annotation: Annotation,
        config: LabelConfig,
        classes: dict[str, list[SupportPrototype]],
        lost: dict[str, UndeliveredImageError],
    ) -> dict[str, SupportPrototype]:
        """One shot for each label of an annotation that has need of more.

        Labels of an image that cannot be had go into `lost`.
        """
        regions = list(_regions(annotation, config))
        wanted = {
            label
            for region in regions
            for label in region.labels
            if len(classes.get(label, ())) < self._max_shots and _is_class_name(label)
        }
        keys = {
            label: _ShotKey(resources.model, annotation.id, annotation.updated_at, label)
            for label in sorted(wanted)
        }
        if any(key not in self._known for key in keys.values()):
            try:
                await self._learn(resources, task, regions, config, keys)
            except ServiceError as exc:
                # One odd annotation, or lost image, must not keep the others from being learned.
                if _may_pass(exc):
                    raise
                if isinstance(exc, UndeliveredImageError):
                    lost |= dict.fromkeys(keys, exc)
                _log.warning("annotation not learned", extra={"code": exc.code})
        for key in keys.values():
            if key in self._known:
                self._known.move_to_end(key)
        return {label: self._known[key] for label, key in keys.items() if key in self._known}

    async def _learn(
        self,
        resources: ModelResources,
        task: Task,
        regions: list[Region],
        config: LabelConfig,
        keys: dict[str, _ShotKey],
    ) -> None:
        pool = resources.pool
        draw = partial(to_masks, regions, config, max_pixels=resources.max_pixels)
        masks = await pool.run(draw)
        image = await self.studio.image(task.data.get(config.image_key))
        for label, mask in masks.items():
            if label in keys and mask.any():
                png = await pool.run(partial(encode_png_mask, mask))
                self._keep(keys[label], await learn_shot(resources, image, png))

    def _keep(self, key: _ShotKey, shot: SupportPrototype) -> None:
        replaced = self._known.pop(key, None)
        self._known[key] = shot
        self._known_bytes += shot.nbytes - (0 if replaced is None else replaced.nbytes)
        while self._known_bytes > _MAX_KNOWN_BYTES:
            _, oldest = self._known.popitem(last=False)
            self._known_bytes -= oldest.nbytes


def _may_pass(error: ServiceError) -> bool:
    """Whether trying again may help."""
    if isinstance(error, UndeliveredImageError):
        return False
    # The first batches on a device that is lost fail as if they were at fault themselves.
    passing = RetryableError | StudioError | InferenceError | DeadlineExceededError
    return isinstance(error, passing)


def _newest_first(tasks: list[Task]) -> list[tuple[Task, Annotation]]:
    drawn = [(task, each) for task in tasks for each in task.annotations if not each.was_cancelled]
    return sorted(drawn, key=lambda pair: (pair[1].updated_at, pair[1].id), reverse=True)


def _regions(annotation: Annotation, config: LabelConfig) -> Iterator[Region]:
    """The regions of our controls; what other controls say is none of ours."""
    names = {control.name for control in config.controls.values()}
    for item in annotation.result:
        if isinstance(item, dict) and str(item.get("from_name")) in names:
            with contextlib.suppress(ValidationError):
                yield Region.model_validate(item)


def _is_class_name(label: str) -> bool:
    try:
        return _CLASS_NAME.validate_python(label) == label
    except ValidationError:
        return False


def model_version(session: Session) -> str:
    """Changes with every shot: Label Studio asks again for predictions of another version."""
    digest = hashlib.sha256(session.model.encode())
    for name, supports in session.classes.items():
        digest.update(name.encode())
        for shot in supports.shots:
            digest.update(shot.affinity.tobytes())
    shots = sum(len(supports.shots) for supports in session.classes.values())
    return f"{session.model} {shots} shots {digest.hexdigest()[:8]}"
