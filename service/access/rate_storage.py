"""Where the counts of rate limits are kept."""

from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

ANSWER_S = 0.25
"""How long a request waits for the counts at most."""

_CONNECTIONS = 16
_PREFIX = "fss:rate"


class RateStorage:
    """Counts in this process, or in the Redis of the sessions, where replicas share them.

    Nothing is asked of Redis before the first request, so it may be down at the start.

    Args:
        store_url: of the session store.

    Raises:
        ValueError: the URL is not one.
    """

    def __init__(self, store_url: str) -> None:
        self._pool: BlockingConnectionPool | None = None
        self.counts: Storage = MemoryStorage(wrap_exceptions=True)
        if store_url.startswith(("redis://", "rediss://")):
            self._pool = BlockingConnectionPool.from_url(
                store_url,
                max_connections=_CONNECTIONS,
                timeout=ANSWER_S,
                socket_timeout=ANSWER_S,
                socket_connect_timeout=ANSWER_S,
                # Once, for a connection that went stale; more would only use the time up.
                retry=Retry(NoBackoff(), 1),
            )
            self.counts = RedisStorage(
                f"async+{store_url}",
                wrap_exceptions=True,
                # Its default is another client, which the service does not install.
                implementation="redispy",
                key_prefix=_PREFIX,
                connection_pool=self._pool,  # type: ignore[arg-type]  # documented, but not typed
            )

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.disconnect()
