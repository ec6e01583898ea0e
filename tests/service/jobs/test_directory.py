"""Where jobs are kept: by default in the user's state, and what happens where that cannot be."""

import logging
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from service.app import create_app
from service.engine import FakeEngine
from service.jobs import JobsDirectoryError
from service.jobs.store import JobStore
from service.settings import Settings
from tests.service.http_api import assert_problem, running

ROOT = Path(__file__).parents[3]

_TABLES_OF_VERSION_1 = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
    updated REAL NOT NULL, bytes INTEGER NOT NULL, form TEXT NOT NULL, seconds REAL NOT NULL
);
CREATE TABLE images (
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, number INTEGER NOT NULL,
    name TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending', code TEXT, detail TEXT,
    PRIMARY KEY (job, number)
);
CREATE TABLE sources (
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, number INTEGER NOT NULL,
    path BLOB NOT NULL, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    PRIMARY KEY (job, number)
);
CREATE TABLE receipts (
    owner TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, PRIMARY KEY (owner, key)
);
INSERT INTO jobs VALUES ('id', 'owner', 'queued', 1, 2, 3, '{}', 4);
INSERT INTO images (job, number, name, state) VALUES
    ('id', 0, 'a.png', 'done'), ('id', 1, 'b.png', 'failed'), ('id', 2, 'c.png', 'done'),
    ('id', 3, 'd.png', 'pending');
"""


async def test_by_default_jobs_are_in_the_users_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    async with running(create_app(Settings(), engine=FakeEngine())) as client:
        assert (await client.get("/jobs")).json() == {"jobs": []}
    kept = tmp_path / ".local/state/few-shot-segmentation/jobs"
    assert (kept / "jobs.sqlite3").is_file()
    assert kept.stat().st_mode & 0o077 == 0


async def test_empty_setting_switches_jobs_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("FSS_JOBS_DIR", "")
    async with running(create_app(Settings(), engine=FakeEngine())) as client:
        problem = assert_problem(await client.get("/jobs"), 503, "jobs_disabled")
        assert "FSS_JOBS_DIR is empty" in problem["detail"]
    assert not (tmp_path / "few-shot-segmentation").exists()


async def test_second_process_works_without_jobs_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(create_app(Settings(), engine=FakeEngine())) as first:
        with caplog.at_level(logging.WARNING):
            app = create_app(Settings(), engine=FakeEngine())
        async with running(app) as second:
            problem = assert_problem(await second.get("/jobs"), 503, "jobs_disabled")
            assert (await second.get("/models")).status_code == 200
        assert (await first.get("/jobs")).status_code == 200
    assert "another process" in problem["detail"]
    (record,) = (each for each in caplog.records if each.name == "service.jobs")
    assert "another process" in record.getMessage()


@pytest.mark.parametrize("content", [None, b"no database" * 100])
async def test_unusable_default_directory_costs_only_jobs(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tmp_path / "few-shot-segmentation" / "jobs"
    if content is None:
        jobs.parent.write_bytes(b"a file where a folder should be")
    else:
        jobs.mkdir(parents=True)
        (jobs / "jobs.sqlite3").write_bytes(content)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with running(create_app(Settings(), engine=FakeEngine())) as client:
        problem = assert_problem(await client.get("/jobs"), 503, "jobs_disabled")
    assert str(tmp_path) not in problem["detail"]


async def test_named_directory_of_another_process_stops_the_start(tmp_path: Path) -> None:
    settings = Settings(jobs_dir=tmp_path / "jobs")
    async with running(create_app(settings, engine=FakeEngine())):
        with pytest.raises(JobsDirectoryError, match="another process"):
            create_app(settings, engine=FakeEngine())


def _with_version(directory: Path, version: int) -> None:
    with closing(sqlite3.connect(directory / "jobs.sqlite3")) as database:
        database.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("version", [0, 1])
def test_jobs_of_earlier_versions_are_kept_and_counted(version: int, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite3")) as database:
        database.executescript(_TABLES_OF_VERSION_1)
    _with_version(tmp_path, version)
    with closing(JobStore(tmp_path)) as store:
        job = store.get("id", "owner")
        assert (job.total, job.done, job.failed) == (4, 2, 1)
        assert [each.name for each in store.images("id", "pending")] == ["d.png"]
        store.finish_image("id", 3, 1.0, None)
    with closing(JobStore(tmp_path)) as store:
        job = store.get("id", "owner")
        assert (job.total, job.done, job.failed) == (4, 3, 1)


async def test_jobs_of_another_version_are_refused_and_left(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path)) as store:
        store.create("id", "owner", "{}", ["a.png"], 0)
        store.folder("id").mkdir(parents=True)
    _with_version(tmp_path, 3)
    with pytest.raises(JobsDirectoryError, match="another version of the service"):
        create_app(Settings(jobs_dir=tmp_path), engine=FakeEngine())
    assert (tmp_path / "files" / "id").is_dir()
    _with_version(tmp_path, 2)
    with closing(JobStore(tmp_path)) as store:
        assert store.get("id", "owner").total == 1


def test_refusal_to_start_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {"FSS_ENGINE": "fake", "FSS_JOBS_DIR": str(tmp_path / "file" / "jobs")}
    run = subprocess.run(
        [sys.executable, "-m", "service"],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("the service cannot start: FSS_JOBS_DIR: ")
