"""What sessions cost Redis: its memory, and the time of its core by its own account."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from redis import Redis
from redis.exceptions import RedisError

from service.errors import StoreUnavailableError
from service.planning.profile import ProfileError, StoreCosts
from service.store_url import MEMORY, StoreUrl
from service.stores import SessionKey, SessionLimits, decode_session
from service.stores.redis import RedisStore
from service.units import MIB

_STORE_URL: TypeAdapter[Any] = TypeAdapter(StoreUrl)
_CALLS = 300
_TTL_S = 3600.0  # after which nothing is left of a measurement that broke off
_MAX_BYTES = 1024 * MIB
_TOUCH_BYTES = 400.0  # three keys, the script's digest and arguments, and its answer


def measure_store(url: str, archives: Mapping[tuple[int, int], bytes]) -> StoreCosts:
    """Put the sessions of archives, by classes and shots, into Redis and ask for them again.

    Raises:
        ProfileError: Redis cannot be reached.
    """
    prefix = f"fss-measure-{secrets.token_hex(4)}"
    try:
        with Redis.from_url(url, protocol=2) as client:
            try:
                touch_us = asyncio.run(_fill(client, url, prefix, archives))
                return _costs(client, prefix, archives, touch_us)
            finally:
                for key in client.scan_iter(f"{prefix}:*"):
                    client.delete(key)
    except (RedisError, StoreUnavailableError, OSError) as exc:
        raise ProfileError(f"Redis could not be measured: {type(exc).__name__}") from exc


def check_store_url(url: str) -> None:
    """Refuse what `measure_store` cannot open, before anything else is measured.

    Raises:
        ProfileError: not the URL of a Redis; the message does not repeat it.
    """
    try:
        store = _STORE_URL.validate_python(url).get_secret_value()
    except ValidationError as exc:
        reasons = "; ".join(error["msg"] for error in exc.errors(include_url=False))
        raise ProfileError(f"the URL of Redis: {reasons.removeprefix('Value error, ')}") from None
    if store == MEMORY:
        raise ProfileError("the URL of Redis: must begin with redis://, rediss:// or unix://")


async def _fill(
    client: Redis, url: str, prefix: str, archives: Mapping[tuple[int, int], bytes]
) -> float:
    """Put the sessions there; microseconds of Redis for a request whose session has a copy here."""
    store = RedisStore(url, _room_for(archives), max_bytes=_MAX_BYTES, prefix=prefix)
    try:
        for (classes, shots), archive in archives.items():
            key = SessionKey("", f"{classes}x{shots}")
            await store.restore(key, decode_session(archive, {}))
        before = _core_us(client)
        for _ in range(_CALLS):
            await store.get(key)
        return (_core_us(client) - before) / _CALLS
    finally:
        await store.close()


def _room_for(archives: Mapping[tuple[int, int], bytes]) -> SessionLimits:
    """Limits that the sessions of archives, by classes and shots, are within."""
    classes, shots = zip(*archives, strict=True)
    return SessionLimits(
        ttl_s=_TTL_S,
        max_classes=max(classes),
        max_shots=max(shots),
        max_owner_sessions=len(archives),
        max_owner_bytes=_MAX_BYTES,
    )


def _costs(
    client: Redis, prefix: str, archives: Mapping[tuple[int, int], bytes], touch_us: float
) -> StoreCosts:
    """Two sizes of sessions tell what each costs and what each byte of it does."""
    by_size = sorted(
        client.scan_iter(f"{prefix}:session:*"), key=lambda key: client.memory_usage(key) or 0
    )
    small, large = by_size[0], by_size[-1]
    sizes = [len(archive) for archive in archives.values()]
    small_us, large_us = _fetch_us(client, small), _fetch_us(client, large)
    per_mib = max(0.0, large_us - small_us) / (max(sizes) - min(sizes)) * MIB
    largest = max(archives, key=lambda each: each[0] * each[1])
    shot_bytes = (max(sizes) - min(sizes)) / (largest[0] * largest[1] - 1)
    held: Any = client.memory_usage(large, samples=0)
    return StoreCosts(
        shot_bytes=shot_bytes,
        session_bytes=max(0.0, min(sizes) - shot_bytes),
        memory_factor=max(1.0, held / max(sizes)),
        touch_us=touch_us,
        touch_bytes=_TOUCH_BYTES,
        fetch_us=max(0.0, small_us - per_mib * min(sizes) / MIB),
        fetch_us_per_mib=per_mib,
    )


def _fetch_us(client: Redis, key: bytes) -> float:
    before = _core_us(client)
    for _ in range(_CALLS):
        client.hgetall(key)
    return (_core_us(client) - before) / _CALLS


def _core_us(client: Redis) -> float:
    """Microseconds of processor time that Redis has used so far."""
    told: Any = client.info("cpu")
    return 1e6 * float(told["used_cpu_user"] + told["used_cpu_sys"])
