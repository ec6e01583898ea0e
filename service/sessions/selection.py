"""Which session, engine and classes a request for masks asks for."""

from collections.abc import Mapping
from typing import NamedTuple

from model.contract import SupportSet
from service.engine import Engine
from service.errors import ClassNotFoundError, EmptySessionError, InvalidRequestError
from service.schemas import SESSION_HEADER, SegmentForm
from service.sessions.resources import Resources
from service.stores import Session, SessionKey


class Selection(NamedTuple):
    """A session, the engine that made it, and the classes asked for, in the session's order."""

    session: Session
    engine: Engine
    classes: Mapping[str, SupportSet]


async def select(resources: Resources, form: SegmentForm, owner: str) -> Selection:
    """What a request by `owner` asks for.

    Raises:
        InvalidRequestError, SessionNotFoundError, ModelMismatchError, ClassNotFoundError,
        EmptySessionError.
    """
    if form.session_id is None:
        raise InvalidRequestError(
            f"a session is needed, as field session_id or header {SESSION_HEADER}"
        ).at("session_id")
    session = await resources.store.get(SessionKey(owner, form.session_id))
    engine = resources.models.of_session(session.model)
    unknown = [name for name in form.classes if name not in session.classes]
    if unknown:
        raise ClassNotFoundError(f"the session has no class {unknown[0]!r}").at("classes")
    if not session.classes:
        raise EmptySessionError("register a class with POST /support first")
    wanted = set(form.classes or session.classes)
    classes = {name: each for name, each in session.classes.items() if name in wanted}
    return Selection(session, engine, classes)


async def require_classes(resources: Resources, form: SegmentForm, owner: str) -> Session:
    """The session of a request, once it is clear that it has the classes asked for.

    Raises:
        ServiceError: see `select`.
    """
    return (await select(resources, form, owner)).session
