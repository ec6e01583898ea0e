"""What `fss doctor` says of a Redis in which no session can be kept."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from service.cli import main
from tests.service.redis_server import RedisServer
from tests.service.stores.refusing import WORD, fail_snapshots, forbid

pytestmark = pytest.mark.redis

Ask = Callable[[str], tuple[str, str]]


@pytest.fixture
def server(redis_directory: Path) -> Iterator[RedisServer]:
    """A server to be maltreated."""
    server = RedisServer(redis_directory)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    """Who may do anything."""
    with redis.Redis.from_url(server.url) as client:
        yield client


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
    server: RedisServer, client: redis.Redis, ask: Ask
) -> None:
    assert ask(server.url) == ("ok", "unix keeps them")
    assert client.dbsize() == 0


def test_rights_for_another_prefix(server: RedisServer, client: redis.Redis, ask: Ask) -> None:
    verdict, text = ask(forbid(server, client, "~other:* +@all"))
    assert verdict == "bad"
    assert text.startswith("cannot be kept (NOPERM)")
    assert "FSS_STORE_PREFIX" in text


def test_a_replica(server: RedisServer, client: redis.Redis, ask: Ask) -> None:
    client.replicaof("127.0.0.1", 1)
    verdict, text = ask(server.url)
    assert (verdict, text.partition(":")[0]) == ("bad", "cannot be kept (READONLY)")


def test_a_full_redis(server: RedisServer, client: redis.Redis, ask: Ask) -> None:
    client.config_set("maxmemory", "1")
    verdict, text = ask(server.url)
    assert (verdict, text.partition(":")[0]) == ("bad", "cannot be kept (OOM)")


def test_a_disk_that_fails(
    server: RedisServer, client: redis.Redis, redis_directory: Path, ask: Ask
) -> None:
    fail_snapshots(client, redis_directory)
    verdict, text = ask(server.url)
    assert (verdict, text.partition(":")[0]) == ("bad", "cannot be kept (MISCONF)")


def test_a_redis_that_is_away(server: RedisServer, ask: Ask) -> None:
    server.kill()
    verdict, text = ask(server.url)
    assert (verdict, text) == ("bad", "cannot be kept (ConnectionError): look at FSS_STORE_URL")
