"""Keys and the file that holds their hashes, as it changes on disk."""

import logging
import time
from pathlib import Path

import pytest

from service.access import KeyFile, KeyFileError, KeyRing, client_of_address, key_line, new_key
from tests.service.clocks import ManualClock

FIRST, SECOND, THIRD = new_key(), new_key(), new_key()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


def test_keys_are_long_and_never_the_same() -> None:
    assert len({new_key() for _ in range(100)}) == 100
    assert min(len(new_key()) for _ in range(100)) >= 43  # 256 bits in base 64


def test_several_keys_of_an_owner_and_comments() -> None:
    ring = KeyRing.parse(
        f"# keys\n\n{key_line('lab', FIRST)}\r\n"
        f"  {key_line('lab', SECOND).replace(' ', '   ')} # since May\n{key_line('desk', THIRD)}"
    )
    assert [ring.owner_of(key) for key in (FIRST, SECOND, THIRD)] == ["lab", "lab", "desk"]
    assert [ring.owner_of(key) for key in ("", FIRST[:-1], FIRST + "x", "ü", new_key())] == [
        None
    ] * 5


def test_a_key_among_thousands_is_found_at_once() -> None:
    keys = [new_key() for _ in range(4096)]
    ring = KeyRing.parse("\n".join(key_line("lab", key) for key in keys))
    started = time.thread_time()
    assert all(ring.owner_of(key) == "lab" for key in keys)
    assert time.thread_time() - started < 0.5


def test_line_holds_no_key() -> None:
    assert FIRST not in key_line("lab", FIRST)


@pytest.mark.parametrize(
    "bad",
    [
        "lab",
        f"lab {'0' * 63}",
        f"lab {'0' * 65}",
        f"lab {'g' * 64}",
        f"a-- lab {'0' * 64}",
        f"l/b {'0' * 64}",
        f"{'x' * 65} {'0' * 64}",
        key_line("desk", FIRST),  # already there, as another owner's
    ],
)
def test_malformed_line_is_named_and_not_shown(bad: str) -> None:
    with pytest.raises(KeyFileError, match="line 2") as caught:
        KeyRing.parse(f"{key_line('lab', FIRST)}\n{bad}\n")
    assert not any(word in str(caught.value) for word in bad.split() if len(word) > 3)


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_no_key_at_all(text: str) -> None:
    with pytest.raises(KeyFileError, match="0 keys"):
        KeyRing.parse(text)


def test_owner_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="an owner is"):
        key_line("a b", FIRST)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        KeyFile(tmp_path / "keys")


def test_change_is_seen_within_a_second(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "keys"
    path.write_text(key_line("lab", FIRST))
    keys = KeyFile(path, clock=clock)
    path.write_text(key_line("lab", SECOND))
    clock.now += 1
    assert [keys.owner_of(FIRST), keys.owner_of(SECOND)] == [None, "lab"]


def test_mounted_secret_changes_by_the_swap_of_a_link(tmp_path: Path, clock: ManualClock) -> None:
    for version, key in (("v1", FIRST), ("v2", SECOND)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "keys").write_text(key_line("lab", key))
    (tmp_path / "data").symlink_to("v1")
    (tmp_path / "keys").symlink_to("data/keys")
    keys = KeyFile(tmp_path / "keys", clock=clock)
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").rename(tmp_path / "data")
    clock.now += 1
    assert [keys.owner_of(FIRST), keys.owner_of(SECOND)] == [None, "lab"]


@pytest.mark.parametrize("spoilt", [b"lab " + FIRST.encode(), b"", b"\xff\xfe\x00", None])
def test_spoilt_change_keeps_the_keys_and_is_logged_once(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture, spoilt: bytes | None
) -> None:
    path = tmp_path / "keys"
    path.write_text(key_line("lab", FIRST))
    keys = KeyFile(path, clock=clock)
    assert keys.current
    path.unlink()
    if spoilt is not None:
        path.write_bytes(spoilt)
    for _ in range(3):
        clock.now += 1
        assert not keys.current  # nor does that need a request with a key
        assert keys.owner_of(FIRST) == "lab"
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    assert FIRST not in str(vars(line))
    path.write_text(key_line("lab", SECOND))
    clock.now += 1
    assert keys.current
    assert [keys.owner_of(FIRST), keys.owner_of(SECOND)] == [None, "lab"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),  # addresses of one subscriber
        ("2001:db8::1", "2001:db8:0:1::1", False),
        (None, "", True),
    ],
)
def test_who_counts_as_one_client(first: str | None, second: str | None, same: bool) -> None:
    assert (client_of_address(first) == client_of_address(second)) is same
