"""What routes are given: the context of the application, and who asks."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Path, Request

from service.access import Client
from service.api.clients import BearerKey, HeaderKey, let_in, presented_key
from service.api.context import ApiContext
from service.schemas import SESSION_ID_BYTES
from service.sessions import Resources
from service.stores import SessionKey


# FastAPI solves all that a dependency depends on again wherever it is named, which costs more than
# the dependencies themselves do. So they ask the request, and not each other.
async def api_context(request: Request) -> ApiContext:
    """The context of the application that serves the request."""
    return _context_of(request)


async def resources(request: Request) -> Resources:
    """The resources of the use cases."""
    return _context_of(request).resources


async def let_client_in(
    request: Request, bearer: BearerKey, header: HeaderKey
) -> AsyncIterator[None]:
    """Let the client of a request in, and hold its place until the answer is made.

    Raises:
        NotReadyError: the service is about to end; for the rest see `let_in`.
    """
    context = _context_of(request)
    if context.drain.begun:
        raise context.drain.refusal()
    async with let_in(request, context.access, presented_key(request, bearer, header)):
        yield


async def asking(request: Request) -> Client:
    """Who asks, once let in."""
    client: Client = request.state.client  # there is none where a route forgets `LET_IN`
    return client


async def owner(request: Request) -> str:
    """Whose key the request shows, as sessions know it; empty where there are no keys."""
    return (await asking(request)).owner


def _context_of(request: Request) -> ApiContext:
    context = request.app.state.context
    if not isinstance(context, ApiContext):
        raise TypeError("the application has no context")
    return context


Context = Annotated[ApiContext, Depends(api_context)]
UseCaseResources = Annotated[Resources, Depends(resources)]
# Of routers: it comes before what their routes depend on.
LET_IN = Depends(let_client_in, scope="function")
Asking = Annotated[Client, Depends(asking)]
Owner = Annotated[str, Depends(owner)]


async def session_key(session_id: str, asking: Owner) -> SessionKey:
    """The session of the path, if it belongs to who asks."""
    return SessionKey(asking, session_id)


async def movable_session_key(session_id: "MovableId", asking: Owner) -> SessionKey:
    """The session of the path, which may not be there yet."""
    return SessionKey(asking, session_id)


# As the service itself makes them (`secrets.token_urlsafe`), so that none can be guessed.
MovableId = Annotated[str, Path(pattern=rf"^[A-Za-z0-9_-]{{{SESSION_ID_BYTES * 4 // 3}}}$")]
PathKey = Annotated[SessionKey, Depends(session_key)]
MovableKey = Annotated[SessionKey, Depends(movable_session_key)]
