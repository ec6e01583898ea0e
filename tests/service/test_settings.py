"""Settings: from the environment, bounded, frozen; the command says what is wrong with them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.cli import main
from service.settings import Settings


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSS_PORT", "8123")
    monkeypatch.setenv("FSS_THRESHOLD", "0.25")
    settings = Settings()
    assert (settings.port, settings.threshold) == (8123, 0.25)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "70000"),
        ("threshold", "nan"),
        ("threshold", "1.5"),
        ("ttl_s", "0"),
        ("ttl_s", "inf"),
        ("max_files", "17"),
        ("upload_s", "0"),
        ("max_upload_bytes", "1000000"),
        ("max_classes", "256"),
        ("max_queued_images", "15"),
        ("store_url", "redis://elsewhere"),
        ("max_shots", "65"),
    ],
)
def test_out_of_bounds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FSS_{name.upper()}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(("name", "value"), [("FSS_PORT", "x"), ("FSS_BUNDLE", "/nowhere")])
def test_command_names_the_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["serve"]) == 2
    message = capsys.readouterr().err
    assert name.removeprefix("FSS_").lower() in message
    assert "Traceback" not in message


def test_shipped_bundle_is_found_from_any_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().bundle.parents[1].is_dir()
