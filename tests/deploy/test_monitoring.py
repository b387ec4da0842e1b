"""Dashboards and alerts against what a running service exports."""

import json
import shutil
import subprocess
from pathlib import Path

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from tests.conftest import ROOT
from tests.service.conftest import Serve, Server, serve, server
from tests.service.test_api import plain

__all__ = ["Serve", "serve", "server"]  # the fixtures

DEPLOY = ROOT / "deploy"
RULES = YAML(typ="safe").load(DEPLOY / "prometheus" / "alerts.yml")["groups"][0]["rules"]
PANELS = json.loads((DEPLOY / "grafana" / "dashboards" / "quire.json").read_text())["panels"]
PROMETHEUS_OWN = {"up": {"job", "instance"}}
ADDED = {"job", "instance"}  # by Prometheus to every series

EXPRESSIONS = {f"alert {rule['alert']}": rule["expr"] for rule in RULES} | {
    f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "5m")
    for panel in PANELS
    for target in panel["targets"]
}


@pytest.fixture(scope="module")
def exported(server: Server) -> dict[str, set[str]]:
    """The labels of each metric that a service exports which has answered, refused and been told a label."""
    answer = server.client.post("/v1/classify", content=plain("red")).json()
    server.client.post("/v1/feedback", json={"id": answer["id"], "label": "cat"})
    server.client.post("/v1/classify", content=b"no image")
    found = dict(PROMETHEUS_OWN)
    for family in text_string_to_metric_families(server.client.get("/metrics").text):
        for sample in family.samples:
            found[sample.name] = set(sample.labels) | ADDED
    return found


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """Each metric that an expression names, with the labels that it matches."""
    found: list[tuple[str, set[str]]] = []

    def look(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append((str(node.name), {matcher.name for matcher in node.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(expression), look)
    return found


def grouped_by(expression: str) -> set[str]:
    """The labels that an expression's aggregations keep."""
    found: set[str] = set()

    def look(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            found.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(expression), look)
    return found


@pytest.mark.server
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_is_watched_is_exported(exported: dict[str, set[str]], name: str) -> None:
    named = selectors(EXPRESSIONS[name])
    assert named
    for metric, labels in named:
        assert metric in exported, f"no service exports {metric}"
        assert labels <= exported[metric], metric
        assert grouped_by(EXPRESSIONS[name]) <= exported[metric], metric


@pytest.mark.server
def test_an_unknown_metric_is_found(exported: dict[str, set[str]]) -> None:
    ((metric, labels),) = selectors('sum(rate(quire_nothing_total{route="x"}[5m]))')
    assert metric not in exported
    assert labels == {"route"}


def test_the_alert_on_the_score_holds_the_level_that_the_gate_requires() -> None:
    required = YAML(typ="safe").load(ROOT / "params.yaml")["evaluate"]["at_least"]["cross_validation.accuracy"]
    (expression,) = (rule["expr"] for rule in RULES if rule["alert"] == "QuireScoreUnderRequired")
    assert f"< {required} and" in expression


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not here (Debian: apt-get install prometheus)")
def test_each_alert_fires_when_it_should_and_not_on_a_good_day() -> None:
    folder = DEPLOY / "prometheus"
    for arguments in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    tests = YAML(typ="safe").load(folder / "alerts_test.yml")["tests"]
    for test in tests:
        assert {case["alertname"] for case in test["alert_rule_test"]} == {rule["alert"] for rule in RULES}


def test_compose_mounts_what_is_there_opens_no_port_and_holds_no_password() -> None:
    services = YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]
    assert {"quire", "prometheus", "grafana"} <= set(services)
    for name, service in services.items():
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (DEPLOY / volume.split(":")[0]).exists(), f"{name}: {volume}"
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert not service.get("image", "").endswith(":latest"), name
        for key, value in service.get("environment", {}).items():
            assert "PASSWORD" not in key or str(value).startswith("${"), f"{name}: {key}"
    assert Path(DEPLOY, "grafana", "provisioning", "datasources", "prometheus.yml").exists()
