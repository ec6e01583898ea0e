"""Keeps the tests out of the home of who runs them, and skips what cannot run here."""

from collections.abc import Iterator

import pytest

from tests.programs import missing


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, all with one visible line, what needs a program that is not there."""
    for marker, reason in missing().items():
        if item.get_closest_marker(marker):
            pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A state directory for services that several tests share, child processes included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _own_state_of_a_test(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one for each test: only one process, and one application, has the jobs of one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
