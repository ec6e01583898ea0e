"""What `fss doctor` says of a Redis in which no session can be kept."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from service.cli import main
from tests.service.redis_server import RedisServer
from tests.service.stores.refusing import WORD, fail_snapshots, forbid

pytestmark = pytest.mark.redis

Ask = Callable[[str], tuple[str, str]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """The doctor's verdict about the sessions of a URL, and its words."""

    def verdict(url: str) -> tuple[str, str]:
        monkeypatch.setenv("FSS_ENGINE", "fake")
        monkeypatch.setenv("FSS_STORE_URL", url)
        main(["doctor", "--json"])
        shown = capsys.readouterr().out
        assert WORD not in shown
        findings = {each["about"]: each for each in json.loads(shown)}
        return findings["sessions"]["verdict"], findings["sessions"]["text"]

    return verdict


def test_a_session_can_be_kept_and_none_is_left(
    own_redis: RedisServer, redis_client: redis.Redis, ask: Ask
) -> None:
    assert ask(own_redis.url) == ("ok", "unix keeps them")
    assert redis_client.dbsize() == 0


def test_rights_for_another_prefix(
    own_redis: RedisServer, redis_client: redis.Redis, ask: Ask
) -> None:
    verdict, text = ask(forbid(own_redis, redis_client, "~other:* +@all"))
    assert verdict == "bad"
    assert text.startswith("cannot be kept (NOPERM)")
    assert "FSS_STORE_PREFIX" in text


def test_a_replica(own_redis: RedisServer, redis_client: redis.Redis, ask: Ask) -> None:
    redis_client.replicaof("127.0.0.1", 1)
    verdict, text = ask(own_redis.url)
    assert (verdict, text.partition(":")[0]) == ("bad", "cannot be kept (READONLY)")


def test_a_full_redis(own_redis: RedisServer, redis_client: redis.Redis, ask: Ask) -> None:
    redis_client.config_set("maxmemory", "1")
    verdict, text = ask(own_redis.url)
    assert (verdict, text.partition(":")[0]) == ("bad", "cannot be kept (OOM)")


def test_a_disk_that_fails(
    own_redis: RedisServer, redis_client: redis.Redis, redis_directory: Path, ask: Ask
) -> None:
    fail_snapshots(redis_client, redis_directory)
    verdict, text = ask(own_redis.url)
    assert (verdict, text.partition(":")[0]) == ("bad", "cannot be kept (MISCONF)")


def test_a_redis_that_is_away(own_redis: RedisServer, ask: Ask) -> None:
    own_redis.kill()
    verdict, text = ask(own_redis.url)
    assert (verdict, text) == ("bad", "cannot be kept (ConnectionError): look at FSS_STORE_URL")
