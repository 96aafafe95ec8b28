"""The examples of docs/schedules.md are schedules."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from app.domain.schedules import parse, preview

PAGE = Path(__file__).resolve().parents[4] / "docs" / "schedules.md"
ANCHOR = datetime(2026, 1, 1, 9, 0, tzinfo=UTC)


def _examples() -> list[tuple[str, str]]:
    """Lines of fenced blocks as (kind, expression); `rrule-lines` is one expression of many."""
    found = []
    for fence, body in re.findall(r"^```([a-z-]+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        kind = fence.removesuffix("-lines")
        found += [(kind, body)] if fence != kind else [(kind, line) for line in body.splitlines()]
    return found


def test_every_example_of_the_page_parses_fires_and_reads_well() -> None:
    examples = _examples()
    assert {kind for kind, _ in examples} == {"cron", "rrule", "once"}
    for kind, expr in examples:
        schedule = parse(kind, expr, "Europe/Bucharest", anchor=ANCHOR)
        assert preview(schedule, after=ANCHOR, count=3), expr
        assert schedule.describe()[0].isupper(), expr


def test_the_page_names_every_kind_with_a_clock() -> None:
    headings = re.findall(r"^## (\w+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert headings[:4] == ["cron", "rrule", "once", "manual"]
