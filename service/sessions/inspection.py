"""Use cases that only look: at a session, at the networks."""

from service.engine import Engine
from service.schemas import ClassSummary, ModelSummary, SessionResponse
from service.sessions.resources import Resources, to_datetime
from service.stores import Session, SessionKey


async def describe_session(resources: Resources, key: SessionKey) -> SessionResponse:
    """What a session holds; counts as a use of it.

    Raises:
        SessionNotFoundError: unknown or expired.
    """
    return session_response(await resources.store.get(key))


def session_response(session: Session) -> SessionResponse:
    """A session as answers describe it."""
    return SessionResponse(
        session_id=session.session_id,
        model=session.model,
        created=to_datetime(session.created),
        expires_at=to_datetime(session.expires_at),
        classes=[
            ClassSummary(class_name=name, shots=len(each.shots), adapted=each.refit is not None)
            for name, each in session.classes.items()
        ],
    )


def describe_models(resources: Resources) -> list[ModelSummary]:
    """The networks that are served, the default first."""
    return [_describe(resources, engine) for engine in resources.models.engines]


def _describe(resources: Resources, engine: Engine) -> ModelSummary:
    manifest = engine.manifest
    return ModelSummary(
        model=manifest.model,
        default=engine is resources.models.default,
        name=manifest.name,
        revision=manifest.revision,
        preset=manifest.preset,
        input_side=manifest.input_side,
        threshold=resources.threshold(engine),
        presence_threshold=manifest.presence_threshold,
        metrics=manifest.metrics,
        devices=dict(engine.devices),
        tiers={name: tier.metrics for name, tier in manifest.tiers.items()},
    )
