"""Storage of the rate limits' counts."""

from typing import TYPE_CHECKING

from limits.aio.storage import MemoryStorage, RedisStorage, Storage

from service.store_url import MEMORY

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

TIMEOUT_S = 0.25
"""Maximum time that a request waits for the counts."""

_CONNECTIONS = 16


class RateStorage:
    """Counts in this process, or in the Redis of the sessions, where replicas share them.

    Redis is not contacted before the first request, so it may be down at the start.

    Args:
        store_url: of the session store.
        prefix: of the session store's keys.

    Raises:
        ValueError: the URL is not one.
    """

    def __init__(self, store_url: str, prefix: str) -> None:
        self._pool: BlockingConnectionPool | None = None
        self.counts: Storage = MemoryStorage(wrap_exceptions=True)
        if store_url != MEMORY:
            self._pool = _connections(store_url)
            self.counts = RedisStorage(
                "async+redis://",  # only the scheme is used: the pool knows the address
                wrap_exceptions=True,
                # Its default is another client, which the service does not install.
                implementation="redispy",
                key_prefix=f"{prefix}:rate",
                connection_pool=self._pool,  # type: ignore[arg-type]  # documented, but not typed
            )

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.disconnect()


def _connections(store_url: str) -> "BlockingConnectionPool":
    # Imported here: redis takes long to import, and many run without it.
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return BlockingConnectionPool.from_url(
        store_url,
        max_connections=_CONNECTIONS,
        timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        # Once, for a stale connection; more retries would only use up the timeout.
        retry=Retry(NoBackoff(), 1),
    )
