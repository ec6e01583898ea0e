"""What a client must pass before its request reaches a route."""

from dataclasses import dataclass

from service.access.client import Client, client_of_address, client_of_owner
from service.access.key_file import KeyFile
from service.access.rate_limits import RateLimits
from service.capacity import ClientCapacity
from service.errors import UnauthorizedError
from service.schemas import KEY_HEADER


@dataclass(frozen=True)
class Access:
    """Who may send requests, and how many.

    keys: that are valid; None: no key is needed, and all clients share their sessions.
    rate_limits: of one client; None: there are none.
    request_slots: bounds the requests of one client in progress.
    upload_bytes: bounds the bytes of its bodies that arrive or are worked on.
    archive_bytes: bounds the bytes of the archives that are made for it or downloaded.
    streams: bounds its streams of events, each of which polls the store of jobs.
    downloads: bounds its downloads of results and archives, each of which keeps its file.
    """

    keys: KeyFile | None
    rate_limits: RateLimits | None
    request_slots: ClientCapacity
    upload_bytes: ClientCapacity
    archive_bytes: ClientCapacity
    streams: ClientCapacity
    downloads: ClientCapacity

    def identify(self, key: str | None, host: str | None) -> Client:
        """The client, by its key where keys are needed, else by its remote address.

        Raises:
            UnauthorizedError: no key or an unknown one; the two are not told apart.
        """
        if self.keys is None:
            return client_of_address(host)
        owner = None if key is None else self.keys.owner_of(key)
        if owner is None:
            raise UnauthorizedError(
                f"send a valid API key as 'Authorization: Bearer KEY' or '{KEY_HEADER}: KEY'"
            )
        return client_of_owner(owner)

    async def close(self) -> None:
        """Close the storage of the rate limits."""
        if self.rate_limits is not None:
            await self.rate_limits.close()
