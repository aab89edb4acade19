"""The dashboard and the alerts ask for metrics that the services have, in PromQL that parses."""

import json
import re
from itertools import combinations
from pathlib import Path

import promql_parser as promql
import pytest
import yaml
from jsonschema import Draft202012Validator
from prometheus_client import REGISTRY

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "recoup.json").read_text())
SCHEMA = json.loads(Path(__file__).with_name("dashboard.schema.json").read_text())
RULES = [rule for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())["groups"]
         for rule in group["rules"]]  # fmt: skip
MANUAL = (ROOT / "docs" / "operate.md").read_text().split("\n## Metrics and alerts\n")[1].split("\n## ")[0]
ASKED = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]] + [
    mark["expr"] for mark in DASHBOARD["annotations"]["list"]
]
ALERTS = [rule["expr"] for rule in RULES]
ENDINGS = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}


def selected(expression: str) -> dict[str, set[str]]:
    """Return the metrics of an expression with the labels that it matches or groups by."""
    tree, found = promql.parse(expression), {}

    def note(node):
        if isinstance(node, promql.VectorSelector):
            found.setdefault(node.name, set()).update(matcher.name for matcher in node.matchers.matchers)
        return True

    promql.walk(tree, note)
    grouped = {label for labels in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", labels)}
    return {name: labels | grouped for name, labels in found.items()}


@pytest.fixture(scope="module")
def told() -> dict[str, set[str]]:
    """The series that the services have, each with the labels that the manual tells; a scrape adds the last ones."""
    import serving.http.metrics
    import serving.versions.following
    import serving.versions.shadow  # noqa: F401 - each registers its own

    labels = {name: set(re.findall(r"[a-z]+", row)) for name, row in re.findall(r"^\| `(\w+)` \|(.*)\|", MANUAL, re.M)}
    series = {"up": set()}
    for metric in REGISTRY.collect():
        if metric.name.startswith("recoup_"):
            for name in [f"{metric.name}{ending}" for ending in ENDINGS.get(metric.type, [""])]:
                known = labels.get(name, labels.get(metric.name, set()))
                series[name] = known | ({"le"} if name.endswith("_bucket") else set())
    return {name: known | {"job", "instance"} for name, known in series.items()}


def test_the_dashboard_has_the_form_that_grafana_reads():
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(DASHBOARD)] == []
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = [one[at] + one[size] <= other[at] or other[at] + other[size] <= one[at] for at, size in ("xw", "yh")]
        assert any(apart), (one, other)


def test_every_variable_that_is_used_is_defined():
    defined = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD)))
    assert used == defined


@pytest.mark.parametrize("expression", ASKED + ALERTS)
def test_an_expression_asks_for_series_and_labels_that_there_are(expression, told):
    asked = selected(expression)
    assert asked or "vector" in expression
    assert asked.keys() <= told.keys()
    for name, labels in asked.items():
        assert labels <= told[name], name


def test_a_wrong_name_or_label_would_be_found():
    assert selected('rate(recoup_typo_total{job=~"$job"}[5m])') == {"recoup_typo_total": {"job"}}
    assert "typo" in selected("sum by (typo) (recoup_shadowed_total)")["recoup_shadowed_total"]
    with pytest.raises(ValueError):
        promql.parse("rate(recoup_answers_total[5m]")


def test_every_metric_of_the_manual_is_on_a_panel():
    shown = {name.removesuffix("_bucket") for expression in ASKED for name in selected(expression)}
    assert set(re.findall(r"^\| `(recoup_\w+)`", MANUAL, re.MULTILINE)) <= shown


def test_alerts_are_those_of_the_manual_and_say_what_to_do():
    told = {row[0]: row[1:] for row in re.findall(r"^\| ([a-z ]+) \| (.*) \| (.*) \|$", MANUAL, re.MULTILINE)}
    assert {name for name, (when, _) in told.items() if re.search(r"\b(up|recoup_\w+)\b", when)} == {
        rule["alert"] for rule in RULES
    }
    for rule in RULES:
        when, do = told[rule["alert"]]
        for metric in selected(rule["expr"]):
            assert metric.removesuffix("_bucket") in when, rule["alert"]
        lasting = re.search(r"for (\d+) minutes?$", when)
        assert rule.get("for", "") == (f"{lasting[1]}m" if lasting else ""), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "action"} and rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["action"] == do.replace("`", ""), rule["alert"]
