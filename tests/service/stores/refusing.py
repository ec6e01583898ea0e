"""Ways to make a Redis refuse what the service asks of it."""

import time
from pathlib import Path

import redis

from tests.service.redis_server import RedisServer

WORD = "hunter2"
_SAVE_TIMEOUT_S = 30


def forbid(server: RedisServer, client: redis.Redis, rights: str) -> str:
    """Make a user with those rights alone; the URL to log in as it."""
    client.execute_command(  # type: ignore[no-untyped-call]
        *("ACL", "SETUSER", "fss", "on", f">{WORD}"), *rights.split()
    )
    return f"unix://fss:{WORD}@{server.socket}?db=0"


def fail_snapshots(client: redis.Redis, directory: Path) -> None:
    """Let Redis fail to write one; `directory`: where it does."""
    (directory / "dump.rdb").mkdir()
    client.config_set("save", "3600 1")
    client.bgsave()
    deadline = time.monotonic() + _SAVE_TIMEOUT_S
    while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
        assert time.monotonic() < deadline, "the snapshot did not fail"
        time.sleep(0.01)
