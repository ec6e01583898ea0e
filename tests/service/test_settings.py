"""Settings: from the environment, bounded, frozen; the command says what is wrong with them."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from service.access import KeyRing
from service.assembly import create_store
from service.cli import main
from service.environment import read_settings
from service.settings import Settings
from service.stores import MemoryStore
from service.stores.redis import RedisStore


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSS_PORT", "8123")
    monkeypatch.setenv("FSS_THRESHOLD", "0.25")
    settings = Settings()
    assert (settings.port, settings.threshold) == (8123, 0.25)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", ""),  # would be every address of this machine
        ("host", " "),
        ("port", "70000"),
        ("threshold", "nan"),
        ("threshold", "1.5"),
        ("ttl_s", "0"),
        ("ttl_s", "inf"),
        ("max_files", "17"),
        ("upload_s", "0"),
        ("keep_alive_s", "0"),
        ("max_upload_bytes", "1000000"),
        ("max_classes", "255"),
        ("max_queued_images", "15"),
        ("store_url", "mysql://elsewhere"),
        ("store_url", "memory://elsewhere"),
        ("store_url", "redis://"),
        ("store_url", "redis://elsewhere/first"),
        ("store_url", "redis://elsewhere:0"),
        ("store_url", "redis://elsewhere?socket_timeout=9"),
        ("store_url", "redis://elsewhere?ssl_keyfile=k"),
        ("store_url", "redis://elsewhere?db=first"),
        ("store_url", "redis://elsewhere?unknown="),
        ("store_url", "rediss://elsewhere?ssl_cert_reqs=perhaps"),
        ("store_url", "unix://"),
        ("store_prefix", "with space"),
        ("store_timeout_s", "0"),
        ("max_owner_sessions", "0"),
        ("max_owner_bytes", "0"),
        ("max_shots", "65"),
        ("ray_max_replicas", "0"),
        ("ray_min_replicas", "2"),
        ("ray_num_gpus", "1.5"),
        ("label_studio_token", "t\u00f6ken"),
        ("label_studio_token", "token\n"),
        ("rate_limit", ""),
        ("rate_limit", "often"),
        ("rate_limit", "10/minute;often"),
        ("rate_limit", "0/minute"),
        ("max_client_requests", "-1"),
        ("forwarded_allow_ips", "10.0.0.0/33"),
        ("forwarded_allow_ips", "10.1.2.3/8"),
        ("forwarded_allow_ips", "10.0.0.1 10.0.0.2"),
        ("forwarded_allow_ips", "10.0.0.1;10.0.0.2"),
        ("forwarded_allow_ips", "10.0.0.1,"),
        ("forwarded_allow_ips", "*,10.0.0.1"),  # would be 10.0.0.1 alone
        ("forwarded_allow_ips", "proxy.example"),
        ("bundle", ""),  # would be the working directory
        ("bundles", ""),
        ("cors_origins", "*"),
        ("cors_origins", "label.example"),
        ("cors_origins", "https://label.example/"),
        ("cors_origins", "https://*.example"),
    ],
)
def test_out_of_bounds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FSS_{name.upper()}", value)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize(
    "url",
    [
        "memory://",
        "redis://elsewhere",
        "redis://user:p%2Fss@elsewhere:6379/3",
        "rediss://:secret@elsewhere?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=true",
        "unix:///run/redis.sock?db=1",
    ],
)
async def test_url_of_every_kind_of_store_is_accepted(url: str) -> None:
    store = create_store(Settings(store_url=SecretStr(url)), {})
    assert isinstance(store, MemoryStore if url.startswith("memory") else RedisStore)
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:hunter2@elsewhere/first",
        "redis://user:hunter2/7@elsewhere",
        "redis://user:hunter2#@elsewhere",
        "hunter2://elsewhere",
        "redis://[hunter2@elsewhere",
    ],
)
def test_password_of_a_bad_store_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("FSS_STORE_URL", url)
    assert main(["serve"]) == 2
    message = capsys.readouterr().err
    assert "FSS_STORE_URL: " in message
    assert "hunter2" not in message


def test_password_of_the_store_is_not_shown() -> None:
    settings = Settings(store_url=SecretStr("redis://user:hunter2@elsewhere"))
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_an_address_of_label_studio_may_end_in_a_slash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FSS_LABEL_STUDIO_TOKEN", "token")
    monkeypatch.setenv("FSS_LABEL_STUDIO_URL", "http://localhost:8080/")
    assert Settings().label_studio_url == "http://localhost:8080"
    monkeypatch.setenv("FSS_LABEL_STUDIO_URL", "http://localhost:8080/projects")
    assert main(["serve"]) == 2
    told = "FSS_LABEL_STUDIO_URL: must be such as https://label.example:8080, without a path"
    assert told in capsys.readouterr().err


def test_lists_are_given_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSS_CORS_ORIGINS", "https://label.example, http://localhost:5173")
    assert Settings().cors_origins == ("https://label.example", "http://localhost:5173")


@pytest.mark.parametrize("proxies", ["*", "", "::1", "10.0.0.1, 192.168.0.0/16,fd00::/8"])
def test_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch, proxies: str) -> None:
    monkeypatch.setenv("FSS_FORWARDED_ALLOW_IPS", proxies)
    assert Settings().forwarded_allow_ips == proxies


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("FSS_PORT", "x", "FSS_PORT: Input should be a valid integer"),
        ("FSS_DEVICES", "gpu", "FSS_DEVICES: must be auto, or devices such as cpu"),
        ("FSS_BUNDLE", "/nowhere", "/nowhere"),
        ("FSS_HOST", "", "FSS_HOST: must not be empty"),
        ("FSS_JOBS_FOLDERS", "/nowhere", "FSS_JOBS_FOLDERS: /nowhere is no folder"),
        ("FSS_MAX_UPLOAD_BYTES", "1024", "FSS_MAX_UPLOAD_BYTES must be at least FSS_MAX_BODY"),
        ("FSS_MAX_SHOTS", "65", "FSS_MAX_BATCH_SHOTS must be at least FSS_MAX_SHOTS"),
        ("FSS_RAY_MIN_REPLICAS", "2", "FSS_RAY_MAX_REPLICAS must be at least FSS_RAY_MIN_REPLICAS"),
        ("FSS_RAY_NUM_GPUS", "1.5", "FSS_RAY_NUM_GPUS must be"),
        ("FSS_LABEL_STUDIO_URL", "http://l.example", "FSS_LABEL_STUDIO_URL needs FSS_LABEL_STUDIO"),
    ],
)
def test_command_names_the_fault(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    told: str,
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["serve"]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert "Traceback" not in message


@pytest.mark.parametrize("content", [None, "lab x", ""])
def test_command_refuses_a_key_file_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str | None,
) -> None:
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("FSS_API_KEYS_FILE", str(path))
    assert main(["serve"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"the service cannot start: FSS_API_KEYS_FILE: {path}: ")
    assert "lab" not in message


def test_command_makes_keys_that_let_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "lab"]) == 0
    _, key, _, line = capsys.readouterr().out.splitlines()
    assert KeyRing.parse(line).owner_of(key) == "lab"


def test_command_makes_no_key_for_an_owner_that_cannot_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["key", "the lab"]) == 2
    assert "an owner is" in capsys.readouterr().err


def test_shipped_bundle_is_found_from_any_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().bundle.parents[1].is_dir()


@pytest.mark.parametrize("name", ["FSS_API_KEY_FILE", "fss_api_key_file", "fss_client_url"])
def test_a_misspelt_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(name, "/run/keys")
    assert main(["serve"]) == 2
    assert f"no setting {name}" in capsys.readouterr().err


def test_settings_in_small_letters_and_variables_of_the_client_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("fss_port", "8123")
    monkeypatch.setenv("FSS_CLIENT_URL", "http://service.example")
    monkeypatch.setenv("FSS_CLIENT_KEY", "key")
    assert read_settings().port == 8123


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9999"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "few"),
    ],
)
def test_variables_of_opentelemetry_that_cannot_be_used_are_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv("FSS_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("FSS_ENGINE", "fake")
    monkeypatch.setenv(name, value)
    assert main(["serve"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("the service cannot start: OTEL_*: ")
    assert "Traceback" not in message
