"""Use case: learn a class from supports."""

import secrets
from collections.abc import Sequence
from functools import partial

from model.contract import SupportSet
from service.engine import Engine
from service.errors import (
    ClassNotFoundError,
    CountMismatchError,
    LimitExceededError,
    ModelMismatchError,
)
from service.schemas import (
    SESSION_ID_BYTES,
    ReportCard,
    SupportForm,
    SupportResponse,
    to_datetime,
)
from service.sessions.idempotency import idempotency_token
from service.sessions.judging import report_card
from service.sessions.learning import learn_class, learn_judged_class, mark_repeats
from service.sessions.mask_size import SIZE_MESSAGES
from service.sessions.resources import ModelResources, Resources
from service.sessions.uploads import Support, drained
from service.stores import IdempotencyToken, Session, SessionKey
from service.telemetry import stage


async def register(
    resources: Resources, form: SupportForm, owner: str, idempotency_key: str | None = None
) -> SupportResponse:
    """Compute and store the prototypes of a class; nothing changes when any support fails.

    A new session belongs to `owner`, and only sessions of `owner` are found. A repeated request of
    the same `idempotency_key` changes nothing, and is told of the class as it is by then.

    Raises:
        ServiceError: see `service.errors`; the file at fault is its location.
    """
    if len(form.images) != len(form.masks):
        raise CountMismatchError(f"{len(form.images)} images, but {len(form.masks)} masks")
    once = await idempotency_token(resources, form, idempotency_key)
    done = None if once is None else await resources.store.find_done(owner, once)
    if done is not None:
        session = await resources.store.get(done)
        with resources.using(resources.models.of_session(session.model)) as own:
            return _answer(own, form, session, await _read(own, form))
    engine, known = await _admit(resources, form, owner)
    with resources.using(engine) as own:
        supports = await _read(own, form)
        registered = await _learn(own, form, supports, known)
        session = await _keep(own, form, owner, registered, once)
        return _answer(own, form, session, supports)


def _answer(
    resources: ModelResources, form: SupportForm, session: Session, supports: Sequence[Support]
) -> SupportResponse:
    kept = session.classes.get(form.class_name)
    if kept is None:  # somebody was quicker to delete it
        raise ClassNotFoundError(f"the session has no class {form.class_name!r} any more")
    report = report_card(kept, resources.threshold) if form.report else None
    return SupportResponse(
        session_id=session.session_id,
        class_name=form.class_name,
        shots=len(kept.shots),
        adapted=kept.adapted,
        created=to_datetime(session.created),
        expires_at=to_datetime(session.expires_at),
        model=session.model,
        warnings=_warnings(supports, report, first=len(kept.shots) - len(supports)),
        report=report,
    )


def _warnings(supports: Sequence[Support], report: ReportCard | None, first: int) -> list[str]:
    """What is to be said of supports, and of their class, the first of which is shot `first`.

    Of the size of a mask the file is told.
    """
    warnings = [warning for support in supports for warning in support.warnings]
    if report is not None:
        warnings += [
            each.message
            for each in report.warnings
            if (each.shot is None or each.shot >= first) and each.code not in SIZE_MESSAGES
        ]
    return warnings


async def _admit(
    resources: Resources, form: SupportForm, owner: str
) -> tuple[Engine, SupportSet | None]:
    """Refuse early what the store would refuse after the work, or what would wait for too long.

    Returns:
        The engine, which for an existing session is the one that made it; and the existing class
        that shots are appended to, if any.
    """
    shots, known = len(form.images), None
    if form.session_id is None:
        engine = resources.models.find(form.model)
    else:
        session = await resources.store.get(SessionKey(owner, form.session_id))
        engine = resources.models.of_session(session.model)
        _require_asked(form.model, session.model)
        known = session.classes.get(form.class_name) if form.mode == "append" else None
        shots += 0 if known is None else len(known.shots)
    if shots > resources.max_shots:
        raise LimitExceededError(f"a class holds at most {resources.max_shots} shots")
    resources.require_short_wait([engine])
    return engine, known


def _require_asked(asked: str | None, model: str) -> None:
    """Refuse another model than the session's; a name without revision matches any revision."""
    if asked is not None and asked not in (model, model.partition("@")[0]):
        raise ModelMismatchError(
            f"the session was made by {model}, and every class of a session is; leave out the "
            f"field, or register with {asked} in a new session"
        ).at("model")


async def _read(resources: ModelResources, form: SupportForm) -> list[Support]:
    read = partial(resources.reader.support, side=resources.engine.manifest.input_side)
    with stage("decode"):
        supports = await resources.pool.gather(
            partial(read, image, mask, position)
            for position, (image, mask) in enumerate(
                zip(drained(form.images), drained(form.masks), strict=True)
            )
        )
        return await resources.pool.run(partial(mark_repeats, supports))


async def _learn(
    resources: ModelResources,
    form: SupportForm,
    supports: Sequence[Support],
    known: SupportSet | None,
) -> SupportSet:
    """What the engine learns from supports, with their judgements if a report is wanted."""
    if not form.report:
        return await learn_class(resources, supports, form.adapt)
    return await learn_judged_class(resources, supports, form.adapt, known)


async def _keep(
    resources: ModelResources,
    form: SupportForm,
    owner: str,
    supports: SupportSet,
    once: IdempotencyToken | None,
) -> Session:
    store, model, name = resources.store, resources.model, form.class_name
    if form.session_id is not None:
        key = SessionKey(owner, form.session_id)
        return await store.put(key, model, name, supports, form.mode, once)
    key = SessionKey(owner, secrets.token_urlsafe(SESSION_ID_BYTES))
    return await store.create(key, model, name, supports, once)
