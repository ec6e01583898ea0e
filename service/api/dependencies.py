"""Dependencies of the routes: the context of the application, and the client of the request."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Path, Request

from service.access import Client
from service.api.clients import BearerKey, HeaderKey, admit_client, presented_key
from service.api.context import ApiContext
from service.schemas import SESSION_ID_BYTES
from service.sessions import Resources
from service.stores import SessionKey


# FastAPI resolves the dependencies of a dependency again wherever it is used, which costs more than
# running them. So they read the request instead of depending on each other.
async def api_context(request: Request) -> ApiContext:
    """The context of the application that serves the request."""
    return _context_of(request)


async def resources(request: Request) -> Resources:
    """The resources of the use cases."""
    return _context_of(request).resources


async def admit_current_client(
    request: Request, bearer: BearerKey, header: HeaderKey
) -> AsyncIterator[None]:
    """Identify the client and apply its limits; its slot is held until the response is made.

    Raises:
        NotReadyError: the service is about to stop; for the rest see `admit_client`.
    """
    context = _context_of(request)
    if context.drain.begun:
        raise context.drain.refusal()
    async with admit_client(request, context.access, presented_key(request, bearer, header)):
        yield


async def current_client(request: Request) -> Client:
    """The client of the request, once it is admitted."""
    client: Client = request.state.client  # missing where a router lacks `ADMIT_CLIENT`
    return client


async def owner(request: Request) -> str:
    """Whose key the request shows, as sessions know it; empty where there are no keys."""
    return (await current_client(request)).owner


def _context_of(request: Request) -> ApiContext:
    context = request.app.state.context
    if not isinstance(context, ApiContext):
        raise TypeError("the application has no context")
    return context


Context = Annotated[ApiContext, Depends(api_context)]
UseCaseResources = Annotated[Resources, Depends(resources)]
# Of routers, so that it runs before the dependencies of their routes.
ADMIT_CLIENT = Depends(admit_current_client, scope="function")
CurrentClient = Annotated[Client, Depends(current_client)]
Owner = Annotated[str, Depends(owner)]


async def session_key(session_id: str, owner: Owner) -> SessionKey:
    """The key of the session in the path; under another owner it would not be found."""
    return SessionKey(owner, session_id)


async def import_session_key(session_id: "ImportId", owner: Owner) -> SessionKey:
    """The key of the session in the path, which an import may create."""
    return SessionKey(owner, session_id)


# As the service itself makes them (`secrets.token_urlsafe`), so that none can be guessed.
ImportId = Annotated[str, Path(pattern=rf"^[A-Za-z0-9_-]{{{SESSION_ID_BYTES * 4 // 3}}}$")]
PathKey = Annotated[SessionKey, Depends(session_key)]
ImportKey = Annotated[SessionKey, Depends(import_session_key)]
