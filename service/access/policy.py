"""What stands between a client and the routes."""

from dataclasses import dataclass

from service.access.client import Client, client_of_address, client_of_owner
from service.access.key_file import KeyFile
from service.access.places import ClientPlaces
from service.access.rate_limits import RateLimits
from service.errors import UnauthorizedError
from service.schemas import KEY_HEADER


@dataclass(frozen=True)
class Access:
    """Who may ask, and how much.

    keys: of those who may ask; None: anybody may, and all share their sessions.
    rate_limits: how often one client may ask; None: as often as it likes.
    places: bounds the requests of one client in progress.
    upload_bytes: of its bodies that arrive or are worked on.
    streams: of events, each of which asks the store of jobs now and again.
    downloads: of results and archives, each of which takes the room of its file.
    """

    keys: KeyFile | None
    rate_limits: RateLimits | None
    places: ClientPlaces
    upload_bytes: ClientPlaces
    streams: ClientPlaces
    downloads: ClientPlaces

    def identify(self, key: str | None, host: str | None) -> Client:
        """Who asks, by key where there are keys, else by remote address.

        Raises:
            UnauthorizedError: no key or none of ours; the two are not told apart.
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
        """Let go of what the rate limits are kept in."""
        if self.rate_limits is not None:
            await self.rate_limits.close()
