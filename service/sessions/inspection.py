"""Read-only use cases: describe a session, a class, the models."""

from service.engine import Engine
from service.errors import ClassNotFoundError, ReportNotFoundError
from service.schemas import ClassSummary, ModelSummary, ReportCard, SessionResponse, to_datetime
from service.sessions.judging import report_card
from service.sessions.resources import Resources
from service.stores import Session, SessionKey


async def describe_session(resources: Resources, key: SessionKey) -> SessionResponse:
    """What a session holds; counts as a use of it.

    Raises:
        SessionNotFoundError: unknown or expired.
    """
    return session_response(await resources.store.get(key))


async def describe_class(resources: Resources, key: SessionKey, class_name: str) -> ReportCard:
    """The report card of a class; counts as a use of its session.

    Raises:
        SessionNotFoundError, ClassNotFoundError.
        ReportNotFoundError: none of its shots was judged.
        ModelMismatchError: the session's network is not served.
    """
    session = await resources.store.get(key)
    supports = session.classes.get(class_name)
    if supports is None:
        raise ClassNotFoundError(f"the session has no class {class_name!r}")
    engine = resources.models.of_session(session.model)
    card = report_card(supports, resources.threshold_of(engine))
    if card is None:
        raise ReportNotFoundError(
            "the class was registered without a report; send its shots again, with mode=replace"
        )
    return card


def session_response(session: Session) -> SessionResponse:
    """A session as responses describe it."""
    return SessionResponse(
        session_id=session.session_id,
        model=session.model,
        created=to_datetime(session.created),
        expires_at=to_datetime(session.expires_at),
        classes=[
            ClassSummary(class_name=name, shots=len(each.shots), adapted=each.adapted)
            for name, each in session.classes.items()
        ],
    )


def describe_models(resources: Resources) -> list[ModelSummary]:
    """The networks that are served, the default first."""
    return [_describe(resources, engine) for engine in resources.models.listed]


def _describe(resources: Resources, engine: Engine) -> ModelSummary:
    manifest = engine.manifest
    return ModelSummary(
        model=manifest.model,
        default=engine is resources.models.default,
        name=manifest.name,
        revision=manifest.revision,
        preset=manifest.preset,
        input_side=manifest.input_side,
        threshold=resources.threshold_of(engine),
        presence_threshold=manifest.presence_threshold,
        metrics=manifest.metrics,
        devices=dict(engine.devices) if engine.ready else {},
        tiers={name: tier.metrics for name, tier in manifest.tiers.items()},
    )
