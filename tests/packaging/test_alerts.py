"""Alerts and dashboard: every alert fires and keeps quiet, on metrics that the service has."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.access import key_line, new_key
from tests.packaging.manifests import K8S, NAME, of_kind, one
from tests.service.processes import serving
from tests.service.scraping import parse
from tests.service.tiny_bundle import write_tiny_bundle

MONITORING = K8S / "components" / "monitoring"
CASES = Path(__file__).parent / "alerts" / "cases.yaml"
ENDINGS = ("_bucket", "_sum", "_count")
# Of Prometheus itself: whether it could read a target.
UP = "up"

Rule = dict[str, Any]


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Metrics of a service over the tiny bundle, in a process of its own."""
    folder = tmp_path_factory.mktemp("exposed")
    bundle, keys = write_tiny_bundle(folder / "bundle"), folder / "keys"
    keys.write_text(key_line("lab", new_key()))
    environment = {"FSS_BUNDLE": str(bundle), "FSS_API_KEYS_FILE": str(keys)}
    with serving(folder / "log", environment) as server:
        return set(parse(server.client.get("/metrics").text).labels)


def rules() -> list[Rule]:
    """Every alert."""
    groups = yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard, rows included."""
    found: list[dict[str, Any]] = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return found


def dashboard_queries() -> list[str]:
    """Every query of every panel, with an interval that Prometheus can read."""
    queries = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    return [query.replace("$__rate_interval", "5m") for query in queries]


def metrics_in(query: str) -> set[str]:
    """Names of metrics in a query, without the endings of a histogram's parts."""
    names = re.findall(r"\b(?:fss|process)_[a-z_]+\b|\bup\b", query)
    return {_whole(name) for name in names}


def _whole(name: str) -> str:
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it; its output is in either stream."""
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.promtool
def test_every_case_ends_as_it_says(tmp_path: Path) -> None:
    shutil.copy(MONITORING / "rules.yaml", tmp_path)
    shutil.copy(CASES, tmp_path)
    run = promtool("test", "rules", tmp_path / CASES.name)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_quiet() -> None:
    outcomes: dict[str, set[bool]] = defaultdict(set)
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for expectation in case["alert_rule_test"]:
            outcomes[expectation["alertname"]].add(bool(expectation["exp_alerts"]))
    names = [rule["alert"] for rule in rules()]
    assert outcomes == {name: {True, False} for name in names}
    assert len(names) == len(set(names))


def test_every_alert_has_a_severity_and_a_runbook_that_exists(root: Path) -> None:
    text = (root / "docs" / "operations.md").read_text()
    headings = {heading.lower() for heading in re.findall(r"^### (Fss\w+)$", text, re.M)}
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "runbook_url"}
        page, anchor = rule["annotations"]["runbook_url"].split("#")
        assert page == "docs/operations.md"
        assert anchor == rule["alert"].lower()
    assert headings == {rule["alert"].lower() for rule in rules()}


def test_alerts_ask_for_metrics_that_the_service_has(exposed: set[str]) -> None:
    for rule in rules():
        asked = metrics_in(rule["expr"])
        assert asked
        assert asked <= exposed | {UP}, rule["alert"]


def test_the_dashboard_asks_for_metrics_that_the_service_has(exposed: set[str]) -> None:
    for query in dashboard_queries():
        asked = metrics_in(query)
        assert asked
        assert asked <= exposed | {UP}, query


def test_the_dashboard_shows_every_metric_of_the_service(exposed: set[str]) -> None:
    shown = set().union(*map(metrics_in, dashboard_queries()))
    # Nobody looks at these but by an alert, or at all.
    unseen = {"process_max_fds", "process_virtual_memory_bytes"}
    assert {name for name in exposed if name.startswith("fss_")} <= shown
    assert {name for name in exposed if name.startswith("process_")} <= shown | unseen


@pytest.mark.promtool
def test_prometheus_can_read_every_query_of_the_dashboard(tmp_path: Path) -> None:
    recorded = [
        {"record": f"panel:{i}", "expr": query} for i, query in enumerate(dashboard_queries())
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    run = promtool("check", "rules", path)
    assert run.returncode == 0, run.stdout + run.stderr


def test_panels_lie_beside_each_other_and_tell_their_units() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] in {"stat", "timeseries"}:
            assert panel["fieldConfig"]["defaults"]["unit"]
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


def test_the_operator_is_given_the_same_alerts() -> None:
    written = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    plain = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    assert written["spec"] == plain, "run `make alerts`"


@pytest.mark.kubectl
@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_replicas_of_another_overlay_do_not_hide_that_there_are_none_here(overlay: str) -> None:
    written = one(overlay, "PrometheusRule")
    made = [rule for group in written["spec"]["groups"] for rule in group["rules"]]
    queries = {rule["alert"]: rule["expr"].split() for rule in made}
    expected = {rule["alert"]: rule["expr"].split() for rule in rules()}
    here = f'absent(up{{job="{NAME}", namespace="{written["metadata"]["namespace"]}"}})'
    assert queries == expected | {"FssAbsent": here.split()}


@pytest.mark.kubectl
@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_the_dashboard_has_a_name_that_no_other_has_and_that_stays(overlay: str) -> None:
    (config,) = (
        config
        for config in of_kind(overlay, "ConfigMap")
        if "grafana_dashboard" in config["metadata"].get("labels", {})
    )
    assert config["metadata"]["name"] == f"{NAME}-dashboard"
    assert config["data"].keys() == {f"{NAME}.json"}


@pytest.mark.kubectl
def test_the_monitor_finds_the_service_and_names_the_job_that_alerts_ask_by() -> None:
    monitor = one("production", "ServiceMonitor")["spec"]
    service = one("production", "Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    job = service["metadata"]["labels"][monitor["jobLabel"]]
    asked = set(re.findall(r'job="([^"]+)"', " ".join(rule["expr"] for rule in rules())))
    assert asked == {job}
