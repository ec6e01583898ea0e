"""Keeps the tests out of the home of who runs them, and skips what cannot run here."""

import gc
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import missing


def pytest_collection_finish() -> None:
    """Spare the garbage collector from what was imported, and small networks from threads."""
    gc.collect()
    gc.freeze()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # on busy cores two take many times as long


def pytest_unconfigure() -> None:
    """Let the interpreter end as it would."""
    gc.unfreeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, all with one visible line, what needs a program that is not there."""
    for marker, reason in missing().items():
        if item.get_closest_marker(marker):
            pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state directory for services that several tests share, child processes included."""
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        yield state


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Shells start what runs in the background deaf to Ctrl-C, and child processes inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_state_of_a_test(_own_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one for each test: only one process, and one application, has the jobs of one.

    Not by pytest, which looks through all of its folders for the number of the next one.
    """
    monkeypatch.setenv("XDG_STATE_HOME", tempfile.mkdtemp(dir=_own_state))
