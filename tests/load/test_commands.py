"""Short runs of the commands against real services, so that the harness cannot rot."""

import json
from pathlib import Path

import pytest

from tests.load.__main__ import main
from tests.load.chaos import run_chaos
from tests.load.faults.case import ChaosOptions
from tests.load.load import LoadOptions, run_load
from tests.load.report import Report
from tests.load.soak import SoakOptions, run_soak


def broken(report: Report) -> list[str]:
    """The promises that were not kept, with their figures."""
    return [f"{each.name}: {each.figure}" for each in report.promises if not each.kept]


async def test_load(tmp_path: Path) -> None:
    options = LoadOptions(
        bundle="tiny", clients=4, duration_s=1.0, tenants=2, rounds=1, repeats=3, quiet=True
    )
    report = await run_load(options, tmp_path)
    assert broken(report) == []
    plain, adapted, alone, repeated, mixed = report.tables
    for single, classes in ((plain, "not adapted"), (adapted, "adapted, pixels classified")):
        assert classes in single.title
        assert {"decode ms", "encode ms", "head ms", "mask ms"} <= set(single.rows[0])
    assert float(alone.rows[0]["share"]) > 0
    assert repeated.rows[0]["images"] == 3
    assert float(repeated.rows[0]["its share"]) > 0
    assert mixed.rows[0]["loop"] == "closed, 4 clients"
    for row in mixed.rows:
        assert row["ok"] == row["requests"] != 0


async def test_soak(tmp_path: Path) -> None:
    # Pools begin their threads as they need them: so many requests before the first sample.
    options = SoakOptions(requests=500, sessions=50, settle=350, clients=2, tenants=2, quiet=True)
    report = await run_soak(options, tmp_path)
    content, memory, leaks = report.promises
    assert (content.kept, leaks.kept) == (True, True), broken(report)
    assert "500" in memory.name
    samples, everything = report.tables
    assert [samples.rows[0]["requests"], samples.rows[-1]["requests"]] == [350, 500]
    assert int(everything.rows[0]["requests"]) >= 500


async def test_chaos(tmp_path: Path) -> None:
    options = ChaosOptions(
        cases=("worker", "redis", "restart", "disk", "slow"),
        clients=3,
        spell_s=0.5,
        kills=2,
        slow_clients=5,
        quiet=True,
    )
    report = await run_chaos(options, tmp_path)
    # How much slower others get is a matter of the machine, which others use as well.
    assert [line for line in broken(report) if "times slower" not in line] == []
    assert {row["case"] for row in report.tables[0].rows} == set(options.cases)


async def test_overload(tmp_path: Path) -> None:
    options = ChaosOptions(
        cases=("overload",),
        overload_bundle="tiny",
        spell_s=1.0,
        overload_s=1.5,
        overload_factor=4.0,
        quiet=True,
    )
    report = await run_chaos(options, tmp_path)
    capacity, over = report.tables[0].rows
    assert int(over["requests"]) > int(capacity["requests"])
    assert (over["wrong"], over["mixed up"], over["lost"]) == (0, 0, 0)
    assert len(report.promises) == 5


def test_a_broken_promise_is_told_by_table_file_and_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    written = tmp_path / "out" / "chaos.json"
    assert main(["chaos", "--cases", "redis", "--quiet", "--json", str(written)]) == 1
    assert "redis-server is not installed" in capsys.readouterr().out
    content = json.loads(written.read_text())
    assert (content["command"], content["kept"]) == ("chaos", False)
    assert content["promises"][0]["kept"] is False


@pytest.mark.parametrize(
    "arguments",
    [["load", "--clients", "0"], ["soak", "--requests", "-1"], ["chaos", "--cases", "x"]],
)
def test_bad_arguments_are_refused_with_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m tests.load" in capsys.readouterr().err


def test_a_service_that_does_not_start_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FSS_MAX_SHOTS", "0")
    assert main(["soak", "--quiet"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("soak could not run: the service ended with 2")
    assert "FSS_MAX_SHOTS" in told
