"""Use case: learn a class from supports."""

import secrets
from collections.abc import Sequence
from functools import partial
from statistics import geometric_mean

from model.contract import SupportSet
from model.runtime import Adapt
from service.errors import CountMismatchError, LimitExceededError
from service.schemas import SupportForm, SupportResponse
from service.sessions.judging import judge, report_card
from service.sessions.resources import Resources, to_datetime
from service.sessions.uploads import Support, View, drained, read_support
from service.stores import Session, SessionKey
from service.telemetry import stage

SESSION_ID_BYTES = 24


async def register(resources: Resources, form: SupportForm, owner: str) -> SupportResponse:
    """Compute the prototypes of a class and keep them; nothing changes when any support fails.

    A new session belongs to `owner`, and only an own one is found.

    Raises:
        ServiceError: see `service.errors`; the file at fault is its location.
    """
    if len(form.images) != len(form.masks):
        raise CountMismatchError(f"{len(form.images)} images, but {len(form.masks)} masks")
    known = await _check_room(resources, form, owner)
    supports = await _read(resources, form)
    whole = [support.whole for support in supports]
    registered = await _learn(resources, whole, form.adapt)
    if any(support.close is not None for support in supports):
        near = [support.close or support.whole for support in supports]
        registered = registered._replace(close=await _learn(resources, near, form.adapt))
    if form.report:
        rows = await judge(resources.engine, resources.pool, whole, registered, known)
        registered = registered._replace(judgements=rows)
    session = await _keep(resources, form, owner, registered)
    kept = session.classes[form.class_name]
    return SupportResponse(
        session_id=session.session_id,
        class_name=form.class_name,
        shots=len(kept.shots),
        adapted=kept.refit is not None,
        created=to_datetime(session.created),
        expires_at=to_datetime(session.expires_at),
        model=session.model,
        warnings=[warning for support in supports for warning in support.warnings],
        report=report_card(kept, resources.threshold) if form.report else None,
    )


async def _check_room(resources: Resources, form: SupportForm, owner: str) -> SupportSet | None:
    """Fail before the work, not after, where it is already clear that the store would refuse.

    Returns:
        What the class holds that is to be added to, if anything.
    """
    shots, known = len(form.images), None
    if form.session_id is not None:
        session = await resources.store.get(SessionKey(owner, form.session_id))
        resources.require_model(session.model)
        known = session.classes.get(form.class_name) if form.mode == "append" else None
        shots += 0 if known is None else len(known.shots)
    if shots > resources.max_shots:
        raise LimitExceededError(f"a class holds at most {resources.max_shots} shots")
    return known


async def _read(resources: Resources, form: SupportForm) -> list[Support]:
    read = partial(
        read_support,
        side=resources.engine.manifest.input_side,
        max_pixels=resources.max_pixels,
        gate=resources.gate,
    )
    with stage("decode"):
        return await resources.pool.gather(
            partial(read, image, mask, position)
            for position, (image, mask) in enumerate(
                zip(drained(form.images), drained(form.masks), strict=True)
            )
        )


async def _learn(resources: Resources, views: Sequence[View], adapt: Adapt) -> SupportSet:
    """What the engine makes of supports, all seen as a whole or all from near."""
    learned = await resources.engine.register(
        [view.pixels for view in views], [view.mask for view in views], adapt=adapt
    )
    return learned._replace(side=round(geometric_mean(view.side for view in views)))


async def _keep(
    resources: Resources, form: SupportForm, owner: str, supports: SupportSet
) -> Session:
    if form.session_id is not None:
        key = SessionKey(owner, form.session_id)
        return await resources.store.put(key, resources.model, form.class_name, supports, form.mode)
    key = SessionKey(owner, secrets.token_urlsafe(SESSION_ID_BYTES))
    return await resources.store.create(key, resources.model, form.class_name, supports)
