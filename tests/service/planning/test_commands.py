"""The commands as users run them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

from service.cli import main
from service.planning.measure import MeasureOptions
from service.planning.profile import PROFILES, ProfileError, load_profile
from tests.service.client.scripted_server import Scripted, scripted
from tests.service.processes import serving, unused_port
from tests.service.redis_server import RedisServer
from tests.service.tiny_bundle import write_tiny_bundle


class Done(NamedTuple):
    """The status of a command that has ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("COLUMNS", "120")

    def run_command(*arguments: str) -> Done:
        status = main(list(arguments))
        return Done(status, *capsys.readouterr())

    return run_command


def test_plan_prints_what_is_needed_and_all_it_assumes(run: Run) -> None:
    done = run("plan", "--rps", "2000", "--classes", "5", "--shots", "5")
    assert done.returncode == 0, done.stderr
    for text in ("replicas for the peak", "Redis memory", "measured", "engine.image_ms", "skew"):
        assert text in done.stdout
    assert "adapt=auto, report=true, no close-ups" in done.stdout
    assert "registration.device_shot_ms" in done.stdout


def test_plan_as_json_for_a_gpu_is_marked_as_an_estimate(run: Run) -> None:
    done = run("plan", "--rps", "2000", "--gpu", "a100", "--network", "r50", "--json")
    made = json.loads(done.stdout)
    assert made["profile"]["origin"] == "estimated, not measured"
    assert made["fleet"]["gpus"] > 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rps", "9", "--profile", "none.json"], "no profile none.json"),
        (["--rps", "9", "--p99", "0.001"], "allow a longer p99"),
        (["--rps", "9", "--gpu", "abacus"], "GPUs t4"),
        (["--rps", "9", "--sessions", "2000000000"], "sessions: Input should be less than"),
    ],
)
def test_what_cannot_be_planned_is_told_in_one_line(
    run: Run, arguments: list[str], told: str
) -> None:
    done = run("plan", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_simulate_tells_what_breaks_first(run: Run) -> None:
    options = ("--replicas", "40", "--sessions", "20000", "--cells", "4", "--gpu", "t4")
    done = run("simulate", *options, "--gpu-share", "0.01", "--network", "r50", "--shots", "1")
    assert done.returncode == 0, done.stderr
    for text in ("estimated, not measured", "one Redis, random", "normal after", "upgrade"):
        assert text in done.stdout


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[MeasureOptions]:
    """What measurements are asked for, none of which is made."""
    asked: list[MeasureOptions] = []

    def refuse(options: MeasureOptions, advance: Callable[[], None]) -> NoReturn:
        asked.append(options)
        raise ProfileError("enough")

    monkeypatch.setattr("service.planning.measure.measure", refuse)
    return asked


def test_the_key_to_measure_with_is_that_of_every_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[MeasureOptions]
) -> None:
    monkeypatch.setenv("FSS_CLIENT_KEY", "mine")
    assert main(["plan-measure", "--out", str(tmp_path / "here.json")]) == 1
    assert [options.key for options in asked] == ["mine"]


def test_every_measurement_sends_other_images(tmp_path: Path, asked: list[MeasureOptions]) -> None:
    for _ in range(2):
        main(["plan-measure", "--out", str(tmp_path / "here.json")])
    assert asked[0].seed != asked[1].seed


def test_a_profile_without_registrations_is_to_be_measured_again(run: Run, tmp_path: Path) -> None:
    earlier = json.loads((PROFILES / "lite-int8-cpu2.json").read_text())
    del earlier["registration"]
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(earlier))
    done = run("plan", "--rps", "9", "--profile", str(path))
    assert done.returncode == 2
    assert "measure it again" in done.stderr


def test_what_cannot_be_measured_tells_no_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(Scripted((404, {"hello": "world"}, {}))) as url:
        for address in (url, f"http://127.0.0.1:{unused_port()}"):
            asked = address.replace("//", "//user:secret@")
            assert main(["plan-measure", "--out", str(tmp_path / "a"), "--url", asked]) == 1
            told = capsys.readouterr().err
            assert address in told
            assert "secret" not in told


def test_a_redis_that_cannot_be_meant_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for address in ("localhost:6379", "memory://", "redis://:secret/x@host:6379/0"):
        nobody = ("--url", f"http://127.0.0.1:{unused_port()}")
        asked = ["plan-measure", "--out", str(tmp_path / "a"), *nobody, "--redis", address]
        assert main(asked) == 1
        told = capsys.readouterr().err
        assert "the URL of Redis" in told
        assert "secret" not in told


def test_where_a_profile_cannot_be_written_nothing_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (tmp_path, tmp_path / "nowhere/here.json"):
        assert main(["plan-measure", "--out", str(out), "--url", "http://127.0.0.1:9"]) == 2
        assert f"{out} cannot be written" in capsys.readouterr().err


@pytest.mark.redis
def test_measured_costs_can_be_planned_with(run: Run, tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    bundle = write_tiny_bundle(tmp_path / "tiny")
    out = tmp_path / "here.json"
    try:
        with serving(tmp_path / "log", {"FSS_BUNDLE": str(bundle)}) as server:
            address = ("--url", str(server.client.base_url), "--redis", redis.url)
            done = run("plan-measure", "--out", str(out), *address, "--repeats", "2")
    finally:
        redis.kill()
    assert done.returncode == 0, done.stderr
    found = load_profile(str(out))
    assert found.origin == "measured"
    assert found.engine.device == "cpu"
    assert found.registration.device_s(1) > 0
    assert found.registration.host_s(5) > 0
    assert found.store.shot_bytes > 0
    assert found.store.touch_us > 0
    assert run("plan", "--rps", "50", "--profile", str(out)).returncode == 0
