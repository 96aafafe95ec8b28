"""The dashboard and the alerts ask only for what the exposition has: every name, and every label of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.domain.metrics import FAMILIES, Family
from tests.fakes.metrics import metrics_of
from tests.servers import REPOSITORY

DASHBOARD = json.loads((REPOSITORY / "ops" / "grafana" / "ordinaut.json").read_text(encoding="utf-8"))
GROUPS = yaml.safe_load((REPOSITORY / "ops" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
WORDS = {"and", "or", "unless", "by", "without"}


def targets() -> Iterator[tuple[str, str]]:
    """Title and expression of everything that the dashboard asks."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


EXPRESSIONS = [*targets(), *((name, rule["expr"]) for name, rule in ALERTS.items())]


def asked(expression: str) -> dict[str, set[str]]:
    """Name of each series in a PromQL expression -> the labels it is selected by."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\b(by|without)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    found = re.findall(r"([A-Za-z_][A-Za-z0-9_]*)\s*(\{[^}]*\})?(?!\s*\(|[A-Za-z0-9_{])", bare)
    return {name: set(re.findall(r"(\w+)\s*[=!]", inside)) for name, inside in found if name not in WORDS}


def shown() -> dict[str, Family]:
    """Name of every series that a scrape may have -> its family."""
    families = {family.name: family for family in FAMILIES}
    names: dict[str, Family] = {}
    for metric in text_string_to_metric_families(metrics_of().exposition()):
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        ends = ("_bucket", "_count", "_sum") if metric.type == "histogram" else ("",)
        names.update({name + end: families[name] for end in ends})
    return names


SHOWN = shown()


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[title for title, _ in EXPRESSIONS])
def test_an_expression_asks_for_what_there_is(title: str, expression: str) -> None:
    names = asked(expression)
    assert names
    assert not names.keys() - SHOWN.keys()
    labels: set[str] = set()
    for name, selected in names.items():
        own = {*SHOWN[name].labels, "le"} if name.endswith("_bucket") else {*SHOWN[name].labels}
        assert selected <= own
        labels |= own
    for inside in re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", expression):
        assert {label.strip() for label in inside.split(",")} <= labels


def test_everything_that_is_counted_is_on_the_dashboard() -> None:
    on_it = {SHOWN[name].name for _, expression in targets() for name in asked(expression)}
    assert on_it == {family.name for family in FAMILIES}


def test_the_panels_have_ids_and_places_of_their_own() -> None:
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_legends_name_labels_that_the_expression_keeps() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            kept = {
                label.strip() for inside in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in inside.split(",")
            }
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


def test_the_alerts_are_those_that_were_promised() -> None:
    promised = {"BeatStalled", "ScheduleLagHigh", "FailRateHigh", "QueueGrowing", "NoWorkers", "WebErrorRate"}
    assert promised <= ALERTS.keys()
    for rule in ALERTS.values():
        assert re.fullmatch(r"\d+m", rule["for"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        # The check itself sees what it should see.
        ('sum by (le) (rate(a_b_bucket{x="1",y=~"2"}[5m])) > 5', {"a_b_bucket": {"x", "y"}}),
        ("time() - max(a) > 60 or absent(b)", {"a": set(), "b": set()}),
    ],
)
def test_names_are_found(expression: str, names: dict[str, set[str]]) -> None:
    assert asked(expression) == names
