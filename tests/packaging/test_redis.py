"""Redis as it is deployed: its file, its users and its backups, by the instructions."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import yaml

from tests.packaging.instructions import block_with, follow
from tests.packaging.manifests import K8S
from tests.service.pictures import picture
from tests.service.processes import Server, register, serving, unused_port
from tests.service.tiny_bundle import write_tiny_bundle

pytestmark = pytest.mark.redis
CONFIGURATION = K8S / "components" / "redis" / "redis.conf"
START_TIMEOUT_S = 30


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with `secrets/`, made as the instructions say."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "data").mkdir()
    follow(block_with("users.acl\n"), tmp_path)
    return tmp_path


@pytest.fixture
def port() -> int:
    """Where Redis is to listen."""
    return unused_port()


@contextmanager
def deployed_redis(home: Path, port: int, *, save: str = "save 3600 1") -> Iterator[None]:
    """Redis with the deployed configuration, but for its places; ended as a pod would be.

    save: when it writes a snapshot, in place of what the file says.
    """
    text = CONFIGURATION.read_text().replace("/etc/redis-users/users.acl", "secrets/users.acl")
    # A relative path of the users would be looked for in the folder of the data.
    text = text.replace("aclfile secrets", f"aclfile {home}/secrets")
    text = text.replace("dir /data", f"dir {home}/data")
    assert "save 3600 1\n" in text
    text = text.replace("save 3600 1\n", f"{save}\n")
    (home / "redis.conf").write_text(text)
    command = ["redis-server", str(home / "redis.conf"), "--port", str(port)]
    process = subprocess.Popen([*command, "--logfile", str(home / "log")])
    try:
        _wait_for_pong(port, process, home)
        yield
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)


def _wait_for_pong(port: int, process: subprocess.Popen[bytes], home: Path) -> None:
    """Ask as the probes do."""
    (container,) = statefulset()["template"]["spec"]["containers"]
    *shell, probe = container["readinessProbe"]["exec"]["command"]
    command = [*shell, probe.replace("redis-cli", f"redis-cli -p {port}")]
    deadline = time.monotonic() + START_TIMEOUT_S
    while subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0:
        assert process.poll() is None, (home / "log").read_text()
        assert time.monotonic() < deadline, "redis-server did not start"
        time.sleep(0.02)


def statefulset() -> dict[str, Any]:
    """What is asked for on Kubernetes."""
    text = (K8S / "components" / "redis" / "statefulset.yaml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)["spec"]
    return found


def service_url(home: Path, port: int) -> str:
    """FSS_STORE_URL as it was written, for a Redis on this machine."""
    (line,) = (home / "secrets" / "api.env").read_text().splitlines()
    return line.removeprefix("FSS_STORE_URL=").replace("@redis:6379/", f"@127.0.0.1:{port}/")


@contextmanager
def deployed_service(home: Path, bundle: Path, port: int) -> Iterator[Server]:
    """The service with that Redis, rate limits included."""
    environment = {
        "FSS_BUNDLE": str(bundle),
        "FSS_STORE_URL": service_url(home, port),
        "FSS_RATE_LIMIT": "1000/minute",
    }
    with serving(home / "service.log", environment) as server:
        yield server


def segment(client: httpx.Client, session_id: str) -> int:
    """The status of a query."""
    files = {"images": picture(seed=5).image_png}
    return client.post("/segment", data={"session_id": session_id}, files=files).status_code


def test_the_user_of_the_service_may_do_what_the_service_does(
    home: Path, bundle: Path, port: int
) -> None:
    with deployed_redis(home, port), deployed_service(home, bundle, port) as server:
        session_id = register(server.client)
        assert segment(server.client, session_id) == 200
        assert server.client.get(f"/sessions/{session_id}/archive").status_code == 200
        path = f"/sessions/{session_id}/classes/thing"
        assert server.client.delete(path).status_code == 204
        assert server.client.delete(f"/sessions/{session_id}").status_code == 204
    log = (home / "service.log").read_text()
    assert "unavailable" not in log
    assert "NoPermission" not in log


def test_users_may_do_no_more(home: Path, port: int) -> None:
    with deployed_redis(home, port):
        with redis.Redis(port=port) as nobody, pytest.raises(redis.AuthenticationError):
            nobody.ping()
        with redis.Redis(port=port, username="probe", password="any") as probe:
            assert probe.ping()
            for denied in ("GET fss:x", "INFO", "ACL LIST"):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    probe.execute_command(*denied.split())
        with redis.Redis.from_url(service_url(home, port)) as service:
            service.set("fss:x", 1)
            for denied in ("GET others:x", "FLUSHALL", "CONFIG GET *", "KEYS *", "SHUTDOWN"):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    service.execute_command(*denied.split())


def test_the_password_is_nowhere_but_with_the_service(home: Path) -> None:
    password = re.split("[:@]", (home / "secrets" / "api.env").read_text())[2]
    assert re.fullmatch(r"[0-9a-f]{64}", password)
    assert password not in (home / "secrets" / "users.acl").read_text()


def test_sessions_outlive_a_restart_and_come_back_from_a_snapshot(
    home: Path, bundle: Path, port: int
) -> None:
    with ExitStack() as stack:
        with deployed_redis(home, port):
            server = stack.enter_context(deployed_service(home, bundle, port))
            session_id = register(server.client)
        # What Redis reads its log back with is bound by the users too, and fails without a word.
        with deployed_redis(home, port):
            assert segment(server.client, session_id) == 200
    data = home / "data"
    for path in data.glob("appendonlydir/*"):
        path.unlink()
    (data / "dump.rdb").rename(data / "sessions.rdb")
    follow(block_with("appendonly.aof.manifest"), data)
    with deployed_redis(home, port), deployed_service(home, bundle, port) as server:
        assert segment(server.client, session_id) == 200


def test_a_snapshot_that_fails_stops_neither_writes_nor_probes_nor_the_end(
    home: Path, port: int
) -> None:
    (home / "data" / "dump.rdb").mkdir()
    with (
        deployed_redis(home, port, save="save 1 1"),
        redis.Redis.from_url(service_url(home, port)) as service,
    ):
        service.set("fss:x", 1)
        deadline = time.monotonic() + START_TIMEOUT_S
        while "Background saving error" not in (home / "log").read_text():
            assert time.monotonic() < deadline, "the snapshot did not fail"
            time.sleep(0.05)
        service.set("fss:x", 2)
        assert service.ping()


def test_the_volume_holds_the_log_its_rewrite_and_a_snapshot() -> None:
    (size,) = re.findall(r"^maxmemory (\d+)gb$", CONFIGURATION.read_text(), re.M)
    (claim,) = statefulset()["volumeClaimTemplates"]
    volume = claim["spec"]["resources"]["requests"]["storage"]
    # The log may be twice its base, the new base and the snapshot are one each, and both grow.
    assert int(volume.removesuffix("Gi")) >= 6 * int(size)
