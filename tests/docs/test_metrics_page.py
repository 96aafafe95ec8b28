"""The page of metrics names every family as it is, every alert, and the times that the code keeps to."""

from __future__ import annotations

import re

import pytest
import yaml

from app.domain.metrics import FAMILIES, Family
from app.services import bookkeeper
from tests.servers import REPOSITORY

PAGE = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8")
ROWS = {
    name: (kind, tuple(re.findall(r"`(\w+)`", labels)))
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])
def test_a_family_is_described(family: Family) -> None:
    assert ROWS[family.name] == (family.kind, family.labels)
    assert all(f"`{word}`" in PAGE for word in family.known)


def test_nothing_else_is() -> None:
    assert ROWS.keys() == {family.name for family in FAMILIES}


def test_every_alert_is_named() -> None:
    groups = yaml.safe_load((REPOSITORY / "ops" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert alerts == set(re.findall(r"^\| `([A-Z]\w+)` \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (bookkeeper.FLUSH_SECONDS, "every {:g} seconds, when it ends"),
        (bookkeeper.REPORT_SECONDS, "renews its own every {:g} seconds"),
        (bookkeeper.LIFE_SECONDS, "is believed for {:g} seconds"),
    ],
)
def test_the_times_are_those_of_the_code(seconds: float, words: str) -> None:
    assert words.format(seconds) in " ".join(PAGE.split())
