"""Use cases: export a session as one file, and import it where its model is served."""

from collections.abc import Callable
from functools import partial

from service.schemas import SessionResponse
from service.sessions.inspection import session_response
from service.sessions.resources import Resources
from service.stores import SessionKey, decode_session, encode_session


async def export_archive(
    resources: Resources, key: SessionKey, *, on_size: Callable[[int], None]
) -> bytes:
    """The session as a file (`service.stores.codec`); counts as a use of it.

    Args:
        resources: of the use cases.
        key: of the session.
        on_size: is told about how many bytes the file will have, before it is made; may raise.

    Raises:
        SessionNotFoundError: unknown or expired.
    """
    session = await resources.store.get(key)
    on_size(session.content.nbytes)
    return await resources.pool.run(partial(encode_session, session.content))


async def import_archive(
    resources: Resources, key: SessionKey, archive: bytes
) -> tuple[SessionResponse, bool]:
    """Create a session from a file, or replace the content of an existing one with it.

    Returns:
        The session, and whether there was none.

    Raises:
        InvalidArchiveError, LimitExceededError.
        ModelMismatchError: the file comes from a network that is not served.
    """
    while True:
        specs = dict(resources.shot_specs)
        content = await resources.pool.run(partial(decode_session, archive, specs))
        resources.models.of_session(content.model)
        if content.model in specs:  # else it is served only since then, and no shot was checked
            break
    session, is_new = await resources.store.restore(key, content)
    return session_response(session), is_new
