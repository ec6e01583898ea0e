"""A bundle changes as a whole or not at all."""

from pathlib import Path

import pytest

from export.staging import placing, replacing


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "a").write_text("before")
    (folder / "b").write_text("kept")
    return folder


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_changed_copy_takes_the_bundles_place_when_the_block_ends(bundle: Path) -> None:
    with replacing(bundle) as staging:
        (staging / "a").write_text("after")
        assert _files(bundle) == {"a": "before", "b": "kept"}
    assert _files(bundle) == {"a": "after", "b": "kept"}
    assert list(bundle.parent.iterdir()) == [bundle]


def test_an_exception_leaves_the_bundle_as_it_was(bundle: Path) -> None:
    def fail() -> None:
        with replacing(bundle) as staging:
            (staging / "a").unlink()
            raise ValueError("gate")

    with pytest.raises(ValueError, match="gate"):
        fail()
    assert _files(bundle) == {"a": "before", "b": "kept"}
    assert list(bundle.parent.iterdir()) == [bundle]


@pytest.mark.parametrize(
    ("target", "renamed", "left"),
    [("before", True, "before"), ("bundle", False, "before"), ("bundle", True, "after")],
)
def test_an_interruption_of_the_replacement_leaves_one_of_the_two(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, target: str, renamed: bool, left: str
) -> None:
    rename, interruptions = Path.rename, [KeyboardInterrupt()]

    def interrupted(path: Path, to: Path) -> Path:
        if to.name == target and interruptions:
            if renamed:
                rename(path, to)
            raise interruptions.pop()
        return rename(path, to)

    def replace() -> None:
        with replacing(bundle) as staging:
            (staging / "a").write_text("after")
            monkeypatch.setattr(Path, "rename", interrupted)

    with pytest.raises(KeyboardInterrupt):
        replace()
    assert _files(bundle) == {"a": left, "b": "kept"}
    assert list(bundle.parent.iterdir()) == [bundle]


def test_a_link_to_a_bundle_stays_one(bundle: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(bundle.name)
    with replacing(link) as staging:
        (staging / "a").write_text("after")
    assert link.is_symlink()
    assert _files(bundle) == {"a": "after", "b": "kept"}


def test_a_new_bundle_keeps_nothing_of_what_it_replaces(bundle: Path) -> None:
    for out in (bundle, bundle.with_name("new")):
        with placing(out) as staging:
            (staging / "a").write_text("after")
        assert _files(out) == {"a": "after"}
